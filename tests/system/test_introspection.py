"""Opaque tokens of a real identity provider (npm `oidc-provider`): the gateway asks it about each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.identity.idp import OWN_SECRET, Provider, new_key, proof, providing
from tests.system import starter
from tests.system.home import Home
from tests.system.test_identity_provider import POLICY, TIERS, Front, ath

SECONDS = 1
"""How long an answer is believed here."""


def asking(root: Path, idp: Provider) -> Home:
    """A gateway's home, whose one issuer has opaque tokens."""
    asked = {
        "url": f"{idp.issuer}/token/introspection",
        "client_id": "bulkhead",
        "client_secret": {"file": "own-secret"},
        "seconds": SECONDS,
    }
    issuer = {
        "issuer": idp.issuer,
        "introspection": asked,
        "agent": {"claim": "client_id"},
        "intent": {"claim": "intent"},
    }
    home = Home.make(
        root,
        {"time": {"command": [starter.program("mcp-server-time")]}},
        policy=POLICY,
        tiers=TIERS,
        issuers={"corp": issuer},
    )
    (root / "own-secret").write_text(OWN_SECRET)
    home.approve("time")
    return home


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    root = tmp_path_factory.mktemp("opaque") / "home"
    with providing("opaque") as idp:
        home = asking(root, idp)
        with home.serving(log=root / "log"):
            yield Front(home, idp)


@pytest.mark.parametrize("agent", ["triage-1", "triage-2"])
def test_the_journal_names_who_the_provider_says_it_is(front: Front, agent: str) -> None:
    token = front.idp.token(front.url(), agent=agent)
    assert token.count(".") == 0
    assert front.post(front.url(), authorization=f"Bearer {token}").status_code == 200
    front.post(front.url(), "no/such", authorization=f"Bearer {token}")
    call = front.home.calls("--agent", agent)[0]
    assert (call["agent"], call["task"], call["intent"]) == (f"agent:{agent}", "T-42", "triage")


def test_a_token_that_was_revoked_is_refused_once_the_answer_is_old(front: Front) -> None:
    token = front.idp.token(front.url(), agent="triage-2")
    assert front.post(front.url(), authorization=f"Bearer {token}").status_code == 200
    front.idp.revoke(token)
    revoked = time.monotonic()
    statuses = [200]
    while statuses[-1] == 200 and time.monotonic() < revoked + 20:
        statuses.append(front.post(front.url(), authorization=f"Bearer {token}").status_code)
    assert statuses[-1] == 401


def test_a_token_for_one_tier_is_none_for_another(front: Front) -> None:
    token = front.idp.token(front.url("data"), "mcp:data mcp:tool")
    refused = front.post(front.url("tool"), authorization=f"Bearer {token}")
    narrow = front.idp.token(front.url("tool"), "mcp:data")
    unscoped = front.post(front.url("tool"), authorization=f"Bearer {narrow}")
    assert (refused.status_code, unscoped.status_code) == (401, 403)


def test_a_token_nobody_has_is_refused(front: Front) -> None:
    refused = front.post(front.url(), authorization="Bearer nobody-has-this-one-0123456789")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_a_bound_token_is_good_with_a_proof_once_and_in_no_other_way(front: Front) -> None:
    key, url = new_key(), front.url("admin")
    token = front.idp.token(url, "mcp:admin", bound_to=key)
    shown = proof(key, url, ath=ath(token))
    first = front.post(url, authorization=f"DPoP {token}", dpop=shown)
    again = front.post(url, authorization=f"DPoP {token}", dpop=shown)
    bearer = front.post(url, authorization=f"Bearer {token}")
    assert [each.status_code for each in (first, again, bearer)] == [200, 401, 401]


def test_neither_a_token_nor_the_gateways_secret_is_found_anywhere_afterwards(front: Front) -> None:
    token = front.idp.token(front.url())
    assert front.post(front.url(), authorization=f"Bearer {token}").status_code == 200
    bad = token[::-1]
    assert front.post(front.url(), authorization=f"Bearer {bad}").status_code == 401
    kept = [path for path in front.home.root.rglob("*") if path.is_file()]
    found = [
        path.name
        for path in kept
        for secret in (token, bad, OWN_SECRET)
        if secret.encode() in path.read_bytes()
    ]
    assert found == ["own-secret"]


def test_a_host_that_starts_the_gateway_may_give_it_such_a_token(front: Front) -> None:
    token = front.idp.token(front.url())
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "host", "version": "1"},
    }
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    config = str(front.home.config)
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", "stdio", "--tier", "data", "--config", config],
        input=line + "\n",
        env={**os.environ, "BULKHEAD_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"serverInfo"' in ran.stdout
    assert token not in ran.stdout + ran.stderr


def test_when_the_provider_is_gone_nobody_gets_in_and_no_token_is_called_bad(
    tmp_path: Path,
) -> None:
    with ExitStack() as provider:
        idp = provider.enter_context(providing("opaque"))
        home = asking(tmp_path / "home", idp)
        with home.serving():
            front = Front(home, idp)
            bearer = f"Bearer {idp.token(front.url())}"
            assert front.post(front.url(), authorization=bearer).status_code == 200
            provider.close()
            until, answer = time.monotonic() + 20, None
            while time.monotonic() < until and (answer is None or answer.status_code == 200):
                answer = front.post(front.url(), authorization=bearer)
            assert answer is not None and answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "www-authenticate" not in answer.headers
            ready = httpx.get(f"{home.origin}/readyz")
            assert ready.json()["issuers"] == {"trusted": 1, "silent": 1}
