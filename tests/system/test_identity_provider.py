"""Agents of a real identity provider (npm `oidc-provider`) at a gateway that serves: who gets in, and by what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.identity.idp import Provider, digest, new_key, proof, providing
from tests.system import starter
from tests.system.home import Home
from tests.system.raw import stateless
from tests.system.test_two_gateways import second

POLICY = """\
p, P010, data, time, *, role:tester, local, triage, *, -, allow
p, P020, admin, time, *, role:tester, local, triage, *, -, allow
g, agent:triage-1, role:tester, local
g, agent:triage-2, role:tester, local
"""
TIERS = """\
servers:
  time:
    tools: {"*": {tier: data, effect: read}}
"""


@dataclass(frozen=True)
class Front:
    """A gateway and the provider it believes."""

    home: Home
    idp: Provider

    def url(self, tier: str = "data") -> str:
        return f"{self.home.origin}/{tier}/mcp"

    def post(self, url: str, method: str = "tools/list", **headers: str) -> httpx.Response:
        said = stateless(None, method, {})
        said["headers"] |= headers
        return httpx.post(url, timeout=30, **said)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with providing() as idp:
        issuer: dict[str, Any] = {"issuer": idp.issuer, "intent": {"claim": "intent"}}
        home = Home.make(
            tmp_path_factory.mktemp("idp") / "home",
            {"time": {"command": [starter.program("mcp-server-time")]}},
            policy=POLICY,
            tiers=TIERS,
            issuers={"corp": issuer},
        )
        home.approve("time")
        with home.serving():
            yield Front(home, idp)


def test_an_agent_that_knows_nothing_finds_its_way_to_a_call(front: Front) -> None:
    """401, the resource's metadata, the provider's metadata, a token for the resource, an answer."""
    turned_away = front.post(front.url())
    where = re.search(r'resource_metadata="([^"]+)"', turned_away.headers["www-authenticate"])
    assert turned_away.status_code == 401 and where is not None
    resource = httpx.get(where[1]).json()
    assert resource["authorization_servers"] == [front.idp.issuer]
    token = front.idp.token(resource["resource"], *resource["scopes_supported"])
    answer = front.post(resource["resource"], authorization=f"Bearer {token}")
    assert answer.status_code == 200, answer.text
    assert [tool["name"] for tool in answer.json()["result"]["tools"]] == [
        "time__get_current_time",
        "time__convert_time",
    ]


@pytest.mark.parametrize("agent", ["triage-1", "triage-2"])
def test_the_journal_names_who_the_provider_named(front: Front, agent: str) -> None:
    token = front.idp.token(front.url(), agent=agent)
    front.post(front.url(), "no/such", authorization=f"Bearer {token}")
    call = front.home.calls("--agent", agent)[0]
    assert (call["agent"], call["task"], call["intent"]) == (f"agent:{agent}", "T-42", "triage")


def test_a_token_for_one_tier_is_none_for_another(front: Front) -> None:
    token = front.idp.token(front.url("data"), "mcp:data mcp:tool")
    assert front.post(front.url("data"), authorization=f"Bearer {token}").status_code == 200
    refused = front.post(front.url("tool"), authorization=f"Bearer {token}")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["www-authenticate"]


def test_a_scope_that_does_not_reach_is_told_which_would(front: Front) -> None:
    token = front.idp.token(front.url("tool"), "mcp:data")
    refused = front.post(front.url("tool"), authorization=f"Bearer {token}")
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="mcp:tool"' in refused.headers["www-authenticate"]


def test_a_bound_token_is_good_with_a_proof_once_and_in_no_other_way(front: Front) -> None:
    key, url = new_key(), front.url()
    token = front.idp.token(url, bound_to=key)
    shown = proof(key, url, ath=ath(token))
    first = front.post(url, authorization=f"DPoP {token}", dpop=shown)
    again = front.post(url, authorization=f"DPoP {token}", dpop=shown)
    bearer = front.post(url, authorization=f"Bearer {token}")
    stolen = front.post(
        url, authorization=f"DPoP {token}", dpop=proof(new_key(), url, ath=ath(token))
    )
    assert [each.status_code for each in (first, again, bearer, stolen)] == [200, 401, 401, 401]
    assert again.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof", algs="')
    assert 'error="invalid_token"' in bearer.headers["www-authenticate"]


def test_the_admin_tier_wants_a_token_that_is_bound(front: Front) -> None:
    key, url = new_key(), front.url("admin")
    loose = front.idp.token(url, "mcp:admin")
    bound = front.idp.token(url, "mcp:admin", bound_to=key)
    refused = front.post(url, authorization=f"Bearer {loose}")
    taken = front.post(url, authorization=f"DPoP {bound}", dpop=proof(key, url, ath=ath(bound)))
    assert (refused.status_code, taken.status_code) == (401, 200)
    assert refused.headers["www-authenticate"].startswith("DPoP ")


def test_the_embedded_issuer_is_off_where_another_is_configured(front: Front) -> None:
    ran = front.home.run("token", "--agent", "triage-1")
    assert ran.returncode != 0
    assert "the embedded issuer is off" in ran.stderr


def test_no_token_is_found_anywhere_afterwards(front: Front) -> None:
    token = front.idp.token(front.url())
    assert front.post(front.url(), authorization=f"Bearer {token}").status_code == 200
    bad = token[:-6] + "AAAAAA"
    assert front.post(front.url(), authorization=f"Bearer {bad}").status_code == 401
    signature = token.rpartition(".")[2][:-6].encode()
    kept = [path for path in front.home.root.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if signature in path.read_bytes()] == []


def test_readiness_counts_the_issuers_and_names_none(front: Front) -> None:
    ready = httpx.get(f"{front.home.origin}/readyz").json()
    assert ready["issuers"] == {"trusted": 1, "silent": 0}
    assert front.idp.issuer not in str(ready)


def ath(token: str) -> str:
    return digest(token.encode())


def test_a_proof_is_good_at_one_of_two_gateways_and_after_a_restart_at_none(
    front: Front,
) -> None:
    """Two processes of one state directory, behind one address."""
    key, url = new_key(), front.url()
    token = front.idp.token(url, bound_to=key)
    shown = {"authorization": f"DPoP {token}", "dpop": proof(key, url, ath=ath(token))}
    beside = second(front.home)
    told = {**json.loads(beside.config.read_text()), "public_url": front.home.origin}
    beside.config.write_text(json.dumps(told))
    with beside.serving():
        fresh = {**shown, "dpop": proof(key, url, ath=ath(token))}
        assert front.post(url, **shown).status_code == 200
        assert front.post(f"{beside.origin}/data/mcp", **shown).status_code == 401
        assert front.post(f"{beside.origin}/data/mcp", **fresh).status_code == 200
    with beside.serving():
        assert front.post(f"{beside.origin}/data/mcp", **fresh).status_code == 401
        fresh["dpop"] = proof(key, url, ath=ath(token))
        assert front.post(f"{beside.origin}/data/mcp", **fresh).status_code == 200
