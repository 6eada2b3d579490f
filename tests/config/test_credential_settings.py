"""`credentials` in bulkhead.yaml: what a careless operator may write and may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway import settings
from gateway.config.credential_settings import templates
from gateway.errors import Misconfigured

SECRET = {"env": "A_SECRET"}
STATIC = {"provider": "static", "secret": SECRET}
OAUTH = {
    "provider": "oauth_client_credentials",
    "token_url": "https://as.example/token",
    "client_id": "bulkhead",
    "client_secret": SECRET,
}
VAULT = {
    "provider": "vault",
    "address": "https://vault.example",
    "token": SECRET,
    "path": "database/creds/reader",
    "headers": {"X-Key": "{key}"},
}
STS = {
    "provider": "aws_sts",
    "role_arn": "arn:aws:iam::123456789012:role/reader",
    "region": "eu-west-1",
}
ROLE = {"provider": "postgres_role", "dsn": SECRET, "role": "reporting"}


def load(tmp_path: Path, server: dict[str, Any]) -> settings.ServerSettings:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(json.dumps({"servers": {"s": server}}, indent=1))
    return settings.load(file).servers["s"]


def over_http(*credentials: Any, **more: Any) -> dict[str, Any]:
    return {"url": "https://tools.example/mcp", "credentials": credentials, **more}


def by_command(*credentials: Any) -> dict[str, Any]:
    return {"command": ["server"], "credentials": credentials}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown provider": (over_http({**STATIC, "provider": "magic"}), "magic"),
    "a key of another provider": (over_http({**STATIC, "token_url": "https://x"}), "unknown key"),
    "a secret in the file": (over_http({**STATIC, "secret": "hunter22"}), "secret"),
    "a secret in two places": (
        over_http({**STATIC, "secret": {"env": "A", "file": "b"}}),
        "either file or env",
    ),
    "a secret nowhere": (over_http({**STATIC, "secret": {}}), "either file or env"),
    "a long-lived one for admin unsaid": (over_http({**STATIC, "tiers": ["admin"]}), "admin: true"),
    "two for one tier": (over_http({**OAUTH, "tiers": ["data"]}, STATIC), "two of them"),
    "no tier at all": (over_http({**OAUTH, "tiers": []}), "at least 1"),
    "a token endpoint in clear": (
        over_http({**OAUTH, "token_url": "http://as.example/token"}),
        "https",
    ),
    "a revocation endpoint in clear": (
        over_http({**OAUTH, "revocation_url": "http://as.example/r"}),
        "https",
    ),
    "a token endpoint with a password in it": (
        over_http({**OAUTH, "token_url": "https://bulkhead:hunter22@as.example/token"}),
        "no user name, password",
    ),
    "a revocation endpoint with a password in it": (
        over_http({**OAUTH, "revocation_url": "https://bulkhead:hunter22@as.example/r"}),
        "no user name, password",
    ),
    "a vault with a token in its address": (
        over_http({**VAULT, "address": "https://hunter22@vault.example"}),
        "no user name, password",
    ),
    "a vault in clear": (over_http({**VAULT, "address": "http://vault.example"}), "https"),
    "an STS in clear": (by_command({**STS, "endpoint_url": "http://sts.example"}), "https"),
    "no proof of who we are": (
        over_http({key: value for key, value in OAUTH.items() if key != "client_secret"}),
        "either client_secret or private_key",
    ),
    "a server in clear": (over_http(OAUTH, url="http://tools.example/mcp"), "cleartext"),
    "longer than 15 minutes": (over_http({**OAUTH, "seconds": 3600}), "900"),
    "headers for a command": (
        by_command({**ROLE, "headers": {"X-User": "{username}"}}),
        "headers is for a url",
    ),
    "an environment for a url": (
        over_http({**OAUTH, "environment": {"T": "{token}"}}),
        "environment is for a command",
    ),
    "nothing to put it in": (by_command(OAUTH), "needs environment"),
    "no name of a variable": (
        by_command({**OAUTH, "environment": {"A B": "{token}"}}),
        "no variable",
    ),
    "a value its provider does not give": (
        over_http({**STATIC, "headers": {"X-Key": "{token}"}}),
        "static gives no value 'token'",
    ),
    "a header twice": (
        over_http(OAUTH, headers={"authorization": "Bearer x"}),
        "both in headers and in credentials",
    ),
    "a role that is SQL": (by_command({**ROLE, "role": 'r"; DROP ROLE x'}), "pattern"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_refused_at_its_line(mistake: str, tmp_path: Path) -> None:
    server, said = REFUSED[mistake]
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path, server)
    assert said in str(caught.value)
    assert caught.value.where is not None and caught.value.where.line is not None
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "server",
    [
        over_http(STATIC),
        over_http({**STATIC, "tiers": ["admin"], "admin": True}),
        over_http({**OAUTH, "tiers": ["data"]}, {**OAUTH, "tiers": ["tool", "admin"]}),
        over_http(OAUTH, url="http://127.0.0.1:9/mcp"),
        over_http(OAUTH, url="http://tools.example/mcp", cleartext=True),
        by_command(ROLE),
        by_command({**OAUTH, "environment": {"TOKEN": "{token}"}}),
    ],
)
def test_what_is_right_is_taken(server: dict[str, Any], tmp_path: Path) -> None:
    assert load(tmp_path, server).credentials


def test_how_values_go_in_is_usual_unless_it_is_said(tmp_path: Path) -> None:
    (usual,) = load(tmp_path, by_command(ROLE)).credentials
    (own,) = load(tmp_path, by_command({**ROLE, "environment": {"U": "{username}"}})).credentials
    assert templates(usual, "environment") == {"PGUSER": "{username}", "PGPASSWORD": "{password}"}
    assert templates(own, "environment") == {"U": "{username}"}
