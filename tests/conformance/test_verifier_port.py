"""What every `ports.Verifier` promises, whatever proof it reads.

A new kind of proof joins by one line in `BENCHES`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.model import Endpoint, Evidence, Tier
from gateway.errors import Refused
from gateway.identity.jwt import JwtVerifier
from gateway.identity.local import LocalIssuer
from gateway.ports import Verifier
from gateway.reasons import Reason

NOW = 1_800_000_000
ORIGIN = "http://127.0.0.1:8811"
DATA, TOOL, ADMIN = (Endpoint("tier", tier) for tier in Tier)
ENDPOINTS = [Endpoint("all"), DATA, TOOL, ADMIN, Endpoint("server", server="git")]


@dataclass(frozen=True)
class Bench:
    """A verifier, and how a caller it would believe proves himself: at an endpoint, until a second."""

    verifier: Verifier
    prove: Callable[[str, Endpoint], Evidence]
    lifetime: int


def local_tokens(directory: Path) -> Bench:
    issuer = LocalIssuer.open(directory, ORIGIN, NOW)

    def prove(agent: str, endpoint: Endpoint) -> Evidence:
        token = issuer.mint(
            agent=agent,
            endpoint=endpoint,
            tiers=endpoint.tiers,
            tenant="local",
            task="T-1",
            intent="general",
            now=NOW,
        )
        return Evidence((f"Bearer {token}",), endpoint)

    return Bench(JwtVerifier([issuer.profile], ORIGIN), prove, 900)


BENCHES = {"local tokens": local_tokens}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return BENCHES[request.param](tmp_path)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_a_proof_yields_a_whole_identity(bench: Bench, endpoint: Endpoint) -> None:
    identity = bench.verifier.verify(bench.prove("triage-1", endpoint), NOW)
    assert identity.agent == "agent:triage-1"
    assert identity.tiers and identity.tiers <= endpoint.tiers
    assert all(
        [identity.issuer, identity.tenant, identity.task, identity.intent, identity.token_id]
    )
    assert identity.expires_at > NOW


def test_no_proof_is_no_token(bench: Bench) -> None:
    with pytest.raises(Refused) as caught:
        bench.verifier.verify(Evidence((), DATA), NOW)
    assert caught.value.reason is Reason.NO_TOKEN


@pytest.mark.parametrize("shown_at", ENDPOINTS, ids=lambda endpoint: endpoint.path)
@pytest.mark.parametrize("made_for", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_a_proof_is_good_at_one_endpoint(
    bench: Bench, made_for: Endpoint, shown_at: Endpoint
) -> None:
    proof = bench.prove("triage-1", made_for)
    bench.verifier.verify(proof, NOW)
    if shown_at != made_for:
        with pytest.raises(Refused) as caught:
            bench.verifier.verify(Evidence(proof.authorization, shown_at), NOW)
        assert caught.value.reason is Reason.WRONG_AUDIENCE


def test_a_proof_shown_twice_is_no_proof(bench: Bench) -> None:
    (once,) = bench.prove("triage-1", DATA).authorization
    with pytest.raises(Refused) as caught:
        bench.verifier.verify(Evidence((once, once), DATA), NOW)
    assert caught.value.reason is Reason.BAD_TOKEN


def test_a_proof_expires(bench: Bench) -> None:
    proof = bench.prove("triage-1", DATA)
    bench.verifier.verify(proof, NOW)
    with pytest.raises(Refused) as caught:
        bench.verifier.verify(proof, NOW + bench.lifetime + 60)
    assert caught.value.reason is Reason.EXPIRED_TOKEN


def test_one_changed_character_is_no_proof(bench: Bench) -> None:
    (value,) = bench.prove("triage-1", DATA).authorization
    for place in range(len("Bearer "), len(value), 7):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        with pytest.raises(Refused):
            bench.verifier.verify(Evidence((changed,), DATA), NOW)


def test_verification_never_awaits(bench: Bench) -> None:
    assert not inspect.iscoroutinefunction(bench.verifier.verify)
