"""A transmitter of security events at a gateway that serves: the agent it names is stopped, and it stays on record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest

from tests.identity.idp import jwk, new_key
from tests.system import starter
from tests.system.home import Home
from tests.system.raw import stateless

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
IDP = "https://idp.example.com"
PARTNER = "https://idp.partner.example"
POLICY = """\
p, P010, data, time, *, role:tester, local, general, *, -, allow
g, agent:triage-1, role:tester, local
g, agent:triage-2, role:tester, local
p, P011, data, time, *, role:guest, partner, general, *, -, allow
g, agent:triage-1, role:guest, partner
"""
TIERS = 'servers:\n  time:\n    tools: {"*": {tier: data, effect: read}}\n'


@dataclass(frozen=True)
class Corp:
    """A gateway, and an identity provider that mints tokens and tells of security events."""

    home: Home
    key: Any = field(default_factory=new_key)

    def call(self, agent: str, issuer: str = IDP) -> dict[str, Any]:
        now, url = int(time.time()), f"{self.home.origin}/data/mcp"
        claims = {"iss": issuer, "sub": agent, "aud": url, "scope": "mcp:data", "task": "T"}
        times = {"iat": now, "exp": now + 600, "jti": "j"}
        headers = {"typ": "at+jwt", "kid": "k1"}
        token = jwt.encode({**claims, **times}, self.key, algorithm="ES256", headers=headers)
        params = {"name": "time__get_current_time", "arguments": {"timezone": "UTC"}}
        reply = httpx.post(url, timeout=30, **stateless(token, "tools/call", params))
        return dict(reply.json())

    def tell(self, agent: str, jti: str, **changes: Any) -> httpx.Response:
        claims = {
            "iss": IDP,
            "aud": f"{self.home.origin}/ssf/events",
            "iat": int(time.time()),
            "jti": jti,
            "sub_id": {"format": "iss_sub", "iss": IDP, "sub": agent},
            "events": {REVOKED: {}},
        }
        headers = {"typ": "secevent+jwt", "kid": "k1"}
        text = jwt.encode({**claims, **changes}, self.key, algorithm="ES256", headers=headers)
        media = {"content-type": "application/secevent+jwt"}
        url = f"{self.home.origin}/ssf/events"
        return httpx.post(url, content=text, headers=media, timeout=30)


@pytest.fixture(scope="module")
def corp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corp]:
    home = Home.make(
        tmp_path_factory.mktemp("ssf") / "home",
        {"time": {"command": [starter.program("mcp-server-time")]}},
        policy=POLICY,
        tiers=TIERS,
        issuers={
            "corp": {"issuer": IDP, "keys": {"file": "keys.json"}},
            "partner": {
                "issuer": PARTNER,
                "keys": {"file": "keys.json"},
                "tenant": {"value": "partner"},
            },
        },
        transmitters={"corp": {"issuer": IDP, "keys": {"file": "keys.json"}, "speaks_for": "corp"}},
    )
    corp = Corp(home)
    (home.root / "keys.json").write_text(json.dumps({"keys": [jwk(corp.key, kid="k1")]}))
    home.approve("time")
    with home.serving():
        yield corp


def test_an_agent_whose_sessions_are_revoked_is_stopped_until_a_person_lets_it_go(
    corp: Corp,
) -> None:
    assert "result" in corp.call("triage-1")
    assert corp.tell("triage-1", "e1").status_code == 202
    assert corp.call("triage-1")["error"]["data"]["reason"] == "fenced"
    assert "result" in corp.call("triage-2")
    assert "result" in corp.call("triage-1", PARTNER)  # another of the same name
    [fence] = json.loads(corp.home.must("fence", "list", "--json"))
    assert (fence["scope"], fence["value"], fence["by"]) == (
        "agent",
        "agent:triage-1",
        "transmitter:corp",
    )
    [noted] = [call for call in corp.home.calls() if "agent:triage-1" in call["target"]]
    assert noted["agent"] == "transmitter:corp"

    corp.home.must("fence", "lift", "--agent", "triage-1")
    assert corp.tell("triage-1", "e1").status_code == 202  # the same event, once more
    assert "result" in corp.call("triage-1")
    assert corp.tell("triage-1", "e2").status_code == 202
    assert corp.call("triage-1")["error"]["data"]["reason"] == "fenced"


def test_an_event_that_is_not_believed_stops_nobody_and_says_so(corp: Corp) -> None:
    refused = corp.tell("triage-2", "e3", aud="https://elsewhere.example")
    assert (refused.status_code, refused.json()["err"]) == (400, "invalid_audience")
    refused = Corp(corp.home).tell("triage-2", "e4")  # by another key of the same name
    assert (refused.status_code, refused.json()["err"]) == (400, "invalid_request")
    assert "result" in corp.call("triage-2")
    turned_away = [call for call in corp.home.calls() if call["endpoint"] == "/ssf/events"]
    assert len(turned_away) == 2


@pytest.mark.parametrize(
    ("method", "media", "status"),
    [("GET", "application/secevent+jwt", 405), ("POST", "application/json", 415)],
)
def test_there_is_one_way_to_tell(corp: Corp, method: str, media: str, status: int) -> None:
    url = f"{corp.home.origin}/ssf/events"
    reply = httpx.request(method, url, content=b"x", headers={"content-type": media}, timeout=30)
    assert reply.status_code == status


def test_a_body_that_is_too_large_is_not_read(corp: Corp) -> None:
    media = {"content-type": "application/secevent+jwt"}
    url = f"{corp.home.origin}/ssf/events"
    assert httpx.post(url, content=b"x" * 40_000, headers=media, timeout=30).status_code == 413
