"""What every `ports.Verifier` promises, whatever proof it reads.

A new kind of proof joins by one line in `BENCHES`.
"""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest

from gateway.config.clients import Secret
from gateway.config.introspection import IntrospectionSettings
from gateway.config.issuers import From, IssuerSettings
from gateway.core.model import Endpoint, Evidence, Tier
from gateway.errors import Refused
from gateway.identity import kinds
from gateway.identity.answers import Answers
from gateway.identity.claims import LEEWAY
from gateway.identity.front import AnyProof
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keyfile import KeyFile
from gateway.identity.local import LocalIssuer
from gateway.identity.x509 import CertificateVerifier
from gateway.ports import Verifier
from gateway.reasons import Reason
from gateway.values import replace
from tests.identity import idp
from tests.identity.authority import Authority

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


def provider_tokens(bound: bool) -> Callable[[Path], Bench]:
    """Tokens of an OAuth authorization server; `bound`: with a DPoP proof each."""

    def bench(directory: Path) -> Bench:
        signing, own = idp.new_key(), idp.new_key()
        (directory / "keys.json").write_text(json.dumps({"keys": [idp.jwk(signing, kid="k1")]}))
        settings = IssuerSettings(issuer="https://idp.example.com", bound_tiers=())
        keys = KeyFile(directory / "keys.json")
        issuer = kinds.profile(settings, keys, "local")

        def prove(agent: str, endpoint: Endpoint) -> Evidence:
            url = ORIGIN + endpoint.path
            claims = {
                "iss": settings.name,
                "sub": agent,
                "aud": url,
                "scope": " ".join(f"mcp:{tier}" for tier in endpoint.tiers),
                "task": "T-1",
                "iat": NOW,
                "exp": NOW + 900,
                "jti": "j1",
                **({"cnf": {"jkt": idp.thumbprint(own)}} if bound else {}),
            }
            headers = {"typ": "at+jwt", "kid": "k1"}
            token = jwt.encode(claims, signing, algorithm="ES256", headers=headers)
            if not bound:
                return Evidence((f"Bearer {token}",), endpoint)
            proof = idp.proof(own, url, iat=NOW, ath=idp.digest(token.encode()))
            return Evidence((f"DPoP {token}",), endpoint, (proof,), "POST", endpoint.path)

        return Bench(JwtVerifier([issuer], ORIGIN), prove, 900)

    return bench


def opaque_tokens(directory: Path) -> Bench:
    """Tokens only their issuer can read. It is asked about each when it is made, and its answer stays fresh here."""
    told: dict[str, Mapping[str, Any]] = {}
    secret = Secret(env="X")
    asking = IntrospectionSettings(url=f"{ORIGIN}/ask", client_id="gw", client_secret=secret)
    settings = IssuerSettings(
        issuer="https://idp.example.com", introspection=asking, bound_tiers=()
    )

    async def ask(token: str) -> Mapping[str, Any] | None:
        return told.get(token)

    answers = Answers("idp", ask, 1e9, lambda: 0.0, lambda: 0.0)

    async def asked(token: str) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answers.keep)
            await anyio.lowlevel.checkpoint()
            assert await answers.asked(token)
            tasks.cancel_scope.cancel()

    def prove(agent: str, endpoint: Endpoint) -> Evidence:
        token = secrets.token_urlsafe(32)
        told[token] = {
            "sub": agent,
            "aud": ORIGIN + endpoint.path,
            "scope": " ".join(f"mcp:{tier}" for tier in endpoint.tiers),
            "task": "T-1",
            "exp": NOW + 900,
        }
        with ThreadPoolExecutor(1) as thread:
            thread.submit(anyio.run, asked, token).result(20)
        return Evidence((f"Bearer {token}",), endpoint)

    profile = kinds.profile(settings, None, "local", answers)
    return Bench(JwtVerifier([profile], ORIGIN), prove, 900)


def certificates(directory: Path) -> Bench:
    """X.509-SVIDs. They have no audience: the settings say what they reach."""
    mesh = Authority(now=datetime.fromtimestamp(NOW, UTC))
    settings = IssuerSettings(
        kind="mtls",
        trust_domain="acme.example",
        agent=From(claim="sub", after="spiffe://acme.example/"),
        tiers=("data", "tool", "admin"),
    )
    tokens, workloads = JwtVerifier([], ORIGIN), CertificateVerifier(settings, "local")

    def prove(agent: str, endpoint: Endpoint) -> Evidence:
        leaf = mesh.svid(f"spiffe://acme.example/{agent}")
        return Evidence((), endpoint, certificate=leaf.der)

    return Bench(AnyProof(tokens, workloads), prove, 3_590)


TOKENS = {
    "local tokens": local_tokens,
    "a provider's tokens": provider_tokens(False),
    "a provider's tokens, bound": provider_tokens(True),
    "opaque tokens": opaque_tokens,
}
BENCHES = TOKENS | {"certificates": certificates}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return BENCHES[request.param](tmp_path)


@pytest.fixture(params=TOKENS)
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """What is shown in a header and made for one endpoint."""
    return TOKENS[request.param](tmp_path)


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
    tokens: Bench, made_for: Endpoint, shown_at: Endpoint
) -> None:
    proof = tokens.prove("triage-1", made_for)
    tokens.verifier.verify(proof, NOW)
    if shown_at != made_for:
        with pytest.raises(Refused) as caught:
            tokens.verifier.verify(replace(proof, endpoint=shown_at), NOW)
        assert caught.value.reason is Reason.WRONG_AUDIENCE


def test_a_proof_shown_twice_is_no_proof(tokens: Bench) -> None:
    proof = tokens.prove("triage-1", DATA)
    twice = replace(proof, authorization=proof.authorization * 2)
    with pytest.raises(Refused) as caught:
        tokens.verifier.verify(twice, NOW)
    assert caught.value.reason is Reason.BAD_TOKEN


def test_a_proof_expires(bench: Bench) -> None:
    proof = bench.prove("triage-1", DATA)
    bench.verifier.verify(proof, NOW)
    with pytest.raises(Refused) as caught:
        bench.verifier.verify(proof, NOW + bench.lifetime + 60)
    assert caught.value.reason is Reason.EXPIRED_TOKEN


def test_an_identity_lasts_as_long_as_its_proof_is_believed(bench: Bench) -> None:
    """Who rests on it (credentials, streams) must not be over while calls are still let in."""
    proof = bench.prove("triage-1", DATA)
    until = bench.verifier.verify(proof, NOW).expires_at
    assert until == NOW + bench.lifetime + LEEWAY
    if not proof.proofs:  # one is good for a minute
        assert bench.verifier.verify(proof, until - 1).expires_at == until
    with pytest.raises(Refused) as caught:
        bench.verifier.verify(proof, until)
    assert caught.value.reason is Reason.EXPIRED_TOKEN


def test_one_changed_character_is_no_proof(tokens: Bench) -> None:
    proof = tokens.prove("triage-1", DATA)
    (value,) = proof.authorization
    for place in range(len("Bearer "), len(value), 7):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        with pytest.raises(Refused):
            tokens.verifier.verify(replace(proof, authorization=(changed,)), NOW)


def test_nobody_is_recalled_before_and_nobody_but_who_was_verified(bench: Bench) -> None:
    proof = bench.prove("triage-1", DATA)
    assert bench.verifier.recall(proof, NOW) is None
    verified = bench.verifier.verify(proof, NOW)
    assert bench.verifier.recall(proof, NOW) in (None, verified)
    assert bench.verifier.recall(replace(proof, endpoint=TOOL), NOW) is None
    assert bench.verifier.recall(Evidence((), DATA), NOW) is None
    assert bench.verifier.recall(proof, NOW + bench.lifetime + 60) is None


def test_verification_never_awaits(bench: Bench) -> None:
    assert not inspect.iscoroutinefunction(bench.verifier.verify)


async def test_where_there_is_no_newer_key_nobody_waits_for_one(bench: Bench) -> None:
    with anyio.fail_after(20):
        assert not await bench.verifier.refreshed(bench.prove("triage-1", DATA))
        assert not await bench.verifier.refreshed(Evidence(("Bearer x",), DATA))
        assert not await bench.verifier.refreshed(Evidence((), DATA))
