"""Each well-known shape of a secret is found, and everyday text is left alone."""

from __future__ import annotations

import pytest

from gateway.journals.detect import SHAPES, holds_secret, is_secret_name, without_secrets

# Put together here, so that no scanner takes this file for a leak.
EXAMPLES = {
    "aws-access-key": ["AKIA" + "IOSFODNN7EXAMPLE", "ASIA" + "Y34FZKBOKMUTVV7A"],
    "aws-secret-key": [
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
    ],
    "github-token": [
        "ghp_" + "a1B2" * 9,
        "ghs_" + "123456_" + "eyJhbGciOiJSUzI1NiJ9" + ".eyJpc3MiOjEyMzQ1Nn0" + ".c2lnbmF0dXJl",
        "github_pat_" + "11ABCDEFG0" * 4,
    ],
    "gitlab-token": ["glpat-" + "a1B2c3D4e5F6g7H8i9J0"],
    "slack-token": ["xoxb-" + "123456789012-abcdefABCDEF", "xapp-" + "1-A0123456789-12345"],
    "webhook": ["https://hooks.slack.com/" + "services/T000/B000/XXXXXXXX"],
    "jwt": [
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmN",
        "id_" + "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dozjgNryP4J3jVmN",
        "eyJhbGciOiJkaXIiLCJlbmMi" + "OiJBMjU2R0NNIn0.." + "48V1_ALb6US04U3b." + "5eym8TW.XFBoMYU",
    ],
    "private-key": [
        "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN " + "PRIVATE KEY-----",
        "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
        "AGE-SECRET-KEY-1" + "QQQQQQQQ",
    ],
    "bearer": ["Authorization: Bearer " + "mF_9.B5f-4.1JqM", "bearer " + "abcdef0123456789"],
    "basic-auth": [
        "Authorization: Basic " + "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "curl -s -u bob:" + "hunter2 https://example.test",
    ],
    "cookie": ["Cookie: session=" + "abcdef0123456789", "set-cookie: id=" + "abcdef0123; Secure"],
    "sk-key": ["sk-" + "proj-abcdefghijklmnop1234", "sk-ant-" + "api03-abcdefghijklmnop"],
    "stripe-key": [
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "rk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    ],
    "google-key": ["AIza" + "SyA-1234567890abcdefghijklmnopqrstu", "ya29." + "a0AfH6SMBx" * 3],
    "azure-key": ["AccountKey=" + "Zm9vYmFyYmF6" * 4 + "==", "abc8Q~" + "a1B2" * 8 + "xy"],
    "package-token": ["npm_" + "a1B2" * 9, "pypi-" + "AgEIcHlwaS5vcmc" * 3, "hf_" + "a1B2" * 9],
    "mail-key": ["SG." + "a1B2c3D4e5F6g7H8i9J0k1" + "." + "a1B2c3D4e5F6g7H8i9J0k1"],
    "twilio-key": ["SK" + "0123456789abcdef" * 2],
    "telegram-token": ["110201543:AA" + "HdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"],
    "vendor-token": [
        "dop_v1_" + "0123456789abcdef" * 4,
        "hvs." + "CAESIJ-abcdefghijklmnop",
        "gsk_" + "a1B2" * 13,
        "ATATT3" + "xFfGF0" + "a1B2" * 20,
        "a1B2c3D4e5F6g7" + ".atlasv1." + "a1B2" * 15,
        "MTA1NjQ5NzQzODY4OTY4OTYw" + ".GabcDE." + "a1B2" * 9,
        "AQ." + "Ab8RN6" + "a1B2" * 9,
    ],
    "url-password": [
        "postgres://bob:" + "hunter2@db/x",
        "https://u:" + "p@example.test",
        "https://example.test/?a=b&token=" + "abcdef0123456789",
        "https://b.s3.amazonaws.com/k?X-Amz-Expires=60&X-Amz-Signature=" + "0123456789abcdef" * 4,
    ],
    "password": [
        "password=" + "hunter22",
        '"api_key": "' + 'abcd1234"',
        "PWD: " + "s3cret!",
        "SECRET_KEY = '" + "django-insecure-x'",
        "DB_PASS=" + "hunter22",
        r"curl -d {\"password\": \"" + "hunter22",
        "CREATE USER bob WITH PASSWORD '" + "hunter22'",
        "ALTER USER bob IDENTIFIED BY '" + "hunter22'",
    ],
}
CASES = [(name, example) for name, examples in EXAMPLES.items() for example in examples]

HARMLESS = [
    "",
    "Fix the bearer of bad news",
    "https://example.test/path?x=1#y",
    "https://user@example.test:8080/x",
    "see task-1234567890123456789 and risk-abcdefghijklmnopqrstu",
    "a commit 0123456789abcdef0123456789abcdef01234567",
    "the password is required",
    "-----BEGIN CERTIFICATE-----\nMIIB",
    "ghp_short sk-short AKIAshort",
    "SELECT * FROM tokens WHERE id = 5",
    "time 12:30:45, ratio 3:4",
    "keyJsonParser.parseDocument.bind(this)",
    "curl -fsSL https://example.test/install.sh | sh -u x",
    "test_pass: true, next_page_token=abcdef",
    "https://example.test/?pageToken=abcdefghij&author=somebody&key=users/5",
]


def test_every_shape_has_an_example() -> None:
    assert set(EXAMPLES) == set(SHAPES)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_a_known_shape_is_found_wherever_it_stands(name: str, example: str) -> None:
    for text in (example, f"before {example} after", f"é\n{example}\n", f'{{"x":"{example}"}}'):
        assert holds_secret(text)


@pytest.mark.parametrize(("name", "example"), CASES)
def test_a_known_shape_is_replaced_by_a_name(name: str, example: str) -> None:
    told = without_secrets(f"before {example}")
    assert example not in told
    assert f"[{name}]" in told or "[bearer]" in told


@pytest.mark.parametrize("text", HARMLESS)
def test_everyday_text_is_left_alone(text: str) -> None:
    assert not holds_secret(text)
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "name",
    ["password", "API_KEY", "api-key", "apiKey", "client secret", "Authorization", "token", "pass"],
)
def test_names_of_secrets_are_known_in_every_spelling(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "db_password",
        "newPassword",
        "X-API-Key",
        "AWS_SECRET_ACCESS_KEY",
        "X-Auth-Token",
        "Set-Cookie",
    ],
)
def test_a_longer_name_that_ends_in_one_is_one(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["path", "token_count", "passwords_file", "", "x" * 10_000, "next_page_token", "bypass"],
)
def test_other_names_are_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_lone_surrogate_hides_nothing() -> None:
    assert holds_secret("\ud800 ghp_" + "a1B2" * 9)
