"""What a server tells of a secret is found however it wrote it, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import random
import re
import sys
import textwrap
import tracemalloc
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Outcome, RpcError
from gateway.credentials.hidden import LINGER, MARK, Hidden, _decoded

SECRET = "s3cr3t/of+the=server"


def hidden(*secrets: str) -> Hidden:
    made = Hidden()
    for number, secret in enumerate(secrets or (SECRET,)):
        made.add(f"lease-{number}", [secret])
    return made


LONG = "eyJhbGciOiJFUzI1NiJ9." + "".join(map(chr, range(48, 123))) * 4
FOLDED = {
    "base64, as programs print it": base64.encodebytes(LONG.encode()).decode(),
    "the same, as in a mail": base64.encodebytes(LONG.encode()).decode().replace("\n", "\r\n"),
    "the same, in JSON within a text": json.dumps(base64.encodebytes(LONG.encode()).decode()),
    "hex": "\n".join(textwrap.wrap(LONG.encode().hex(), 60)),
    "as it is": "\n".join(textwrap.wrap(LONG, 70, break_on_hyphens=False)),
    "percent-encoded": "\n".join(textwrap.wrap(quote(LONG, safe=""), 70)),
}


WRITTEN = {
    "as it is": SECRET,
    "in a sentence": f"the token is {SECRET}, keep it",
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded in small letters": quote(SECRET, safe="").replace("%2F", "%2f"),
    "percent-encoded but for slashes": quote(SECRET),
    "percent-encoded as far as a path must be": quote(SECRET, safe="+="),
    "percent-encoded to the last letter": "".join(f"%{byte:02X}" for byte in SECRET.encode()),
    "JSON with escaped slashes": json.dumps(SECRET).replace("/", "\\/"),
    "JSON with escaped signs": json.dumps(SECRET).replace("+", "\\u002B").replace("=", "\\u003d"),
    "both, one in the other": json.dumps(quote(SECRET)).replace("%", "\\u0025"),
    "JSON in JSON": json.dumps({"authorization": SECRET}),
    **{
        f"base64 at {place}": base64.b64encode(b"x" * place + SECRET.encode() + b"yz").decode()
        for place in range(4)
    },
    "base64url": base64.urlsafe_b64encode(b"ab" + SECRET.encode()).decode(),
    "Basic": base64.b64encode(b"user:" + SECRET.encode()).decode(),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_it_is_found_however_it_is_written(way: str) -> None:
    text = hidden().text(WRITTEN[way])
    assert MARK in text
    assert SECRET not in text


@given(st.binary(max_size=9), st.binary(max_size=9), st.text("abcXYZ019-_~.+/=", min_size=12))
def test_it_is_found_at_any_place_of_any_base64(before: bytes, after: bytes, secret: str) -> None:
    text = base64.b64encode(before + secret.encode() + after).decode()
    assert MARK in hidden(secret).text(text)


@pytest.mark.parametrize(
    "value",
    [
        {"content": [{"type": "text", "text": f"it is {SECRET}"}]},
        {"structuredContent": {"deep": [[{"x": SECRET}]]}},
        {"structuredContent": {SECRET: 1}},
    ],
)
def test_it_is_taken_out_of_a_result_wherever_it_is(value: dict[str, Any]) -> None:
    outcome = hidden().outcome(Outcome("ok", result=value))
    assert SECRET not in json.dumps(outcome.result)
    assert MARK in json.dumps(outcome.result)


@pytest.mark.parametrize("way", FOLDED)
def test_it_is_found_where_it_is_broken_into_lines(way: str) -> None:
    """What is left of such a text would tell most of it: all of it goes."""
    said = {"content": [{"type": "text", "text": f"here:\n{FOLDED[way]}"}, {"text": "a\nb"}]}
    assert hidden(LONG).value(said) == {
        "content": [{"type": "text", "text": MARK}, {"text": "a\nb"}]
    }


def test_a_number_can_be_a_secret() -> None:
    assert hidden("8412345678901").value({"pin": 8412345678901, "n": 3}) == {"pin": MARK, "n": 3}


def test_it_is_taken_out_of_an_error_and_out_of_what_operators_read() -> None:
    error = RpcError(-32000, f"bad {SECRET}", {"h": SECRET}, True, {"trace": [SECRET]})
    outcome = hidden().outcome(Outcome("rejected", error=error, detail=f"said {SECRET}"))
    assert SECRET not in repr(outcome)
    assert outcome.error is not None and outcome.error.code == -32000


def test_what_holds_none_is_the_very_same() -> None:
    result = {"content": [{"type": "text", "text": "s3cr3t/of+the=serves"}], "n": 1.5, "none": None}
    outcome = Outcome("ok", result=result)
    assert hidden().outcome(outcome) is outcome
    assert Hidden().value(result) is result


def test_secrets_of_other_agents_are_looked_for_too() -> None:
    many = [f"a-secret-of-agent-{number:04}" for number in range(200)]
    text = hidden(*many).text(" ".join(many))
    assert text == " ".join([MARK] * 200)


def random_secrets(number: int, length: int) -> list[str]:
    choice = random.Random(7).choices
    return [
        "eyJhbGciOiJSUzI1NiJ9." + "".join(choice("abcXYZ019-_", k=length)) for _ in range(number)
    ]


@pytest.mark.parametrize(("number", "length"), [(8, 1000), (32, 4000), (2, 12_000)])
def test_many_long_secrets_are_found_and_nothing_is_said_of_memory(
    number: int, length: int, capfd: pytest.CaptureFixture[str]
) -> None:
    *others, leaked = secrets = random_secrets(number, length)
    spelt = "".join(f"%{byte:02x}" for byte in leaked.encode())
    noise = "xyz".join(secret[:-1] for secret in others)
    made = hidden(*secrets)
    for said in (leaked, spelt, base64.b64encode(leaked.encode()).decode()):
        told = made.text(f"{noise} {said} {noise}")
        assert told.startswith(f"{noise} ") and told.endswith(f" {noise}")
        assert MARK in told and len(told) < 2 * len(noise) + 20
    assert made.text(noise) == noise
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("said", ["pässwörd-sécret", "p%C3%A4ssw%C3%B6rd-s%C3%A9cret"])
def test_one_that_is_not_in_ascii_is_found_too(said: str) -> None:
    assert hidden("pässwörd-sécret").text(f"it is {said}!") == f"it is {MARK}!"


def test_each_line_of_one_that_has_lines_is_found() -> None:
    """A process writes its log a line at a time."""
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\nabc\n"
    some = hidden(key)
    for line in ("key: MC4CAQAwBQYDK2VwBCIEIJ", key, json.dumps(key), json.dumps({"k": key})):
        assert "MC4C" not in some.text(line) and MARK in some.text(line)
    assert some.text("abc is a word") == "abc is a word"


def test_of_a_secret_that_begins_another_nothing_is_left() -> None:
    assert hidden("abcdefgh", "abcdefghijkl").text("abcdefghijkl") == MARK


def test_one_that_is_over_is_looked_for_a_while_longer() -> None:
    made = hidden(SECRET, "another-secret-1")
    made.ended("lease-0", 0.0)
    made.ended("lease-1", LINGER - 1.0)
    assert made.text(SECRET) == MARK
    made.ended("lease-1", LINGER + 1.0)
    assert made.text(SECRET) == SECRET
    assert made.text("another-secret-1") == MARK


@pytest.mark.parametrize("spelt", ["%", "%2", "%2f", "%2fx", "\\u0041", "\\/", "\\/x", '\\"\\'])
def test_a_server_that_spells_millions_of_characters_is_not_waited_for(spelt: str) -> None:
    text = spelt * (2 * 1024 * 1024 // len(spelt))
    made, steps = hidden(SECRET), 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1

    tracemalloc.start()
    sys.setprofile(step)
    told = made.text(text)
    sys.setprofile(None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told == text
    assert most < 12 * len(text)
    assert steps < 10_000, "calls of functions: not one for each spelling"


def test_what_is_spelt_is_found_wherever_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.credentials.hidden._AT_ONCE", 7)
    spelt = "".join(f"%{byte:02x}" for byte in SECRET.encode())
    for said in (spelt, "".join(f"\\u{byte:04x}" for byte in SECRET.encode())):
        for before in range(16):
            assert hidden().text("-" * before + said) == "-" * before + MARK


SPELLINGS = [
    "%",
    "%2f",
    "%2F",
    "\\",
    "\\\\",
    "\\/",
    '\\"',
    "\\u0041",
    "\\u00",
    "\\u00e9",
    "\\u0025",
    "25",
    "u0041",
]


@given(st.lists(st.sampled_from([*SPELLINGS, "a", "/", "é", "\n", "\\n"]), max_size=12))
def test_spellings_are_read_as_a_url_and_json_are(parts: list[str]) -> None:
    raw = "".join(parts).encode()
    plain = re.sub(
        rb'\\(?:u00([0-9a-fA-F]{2})|(["\\/]))',
        lambda found: found[2] or bytes.fromhex(found[1].decode()),
        raw,
    )
    assert _decoded(raw) == unquote_to_bytes(plain)
