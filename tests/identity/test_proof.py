"""Proof of possession: everything a proof can be wrong in, one case each, and that a good one is good once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.model import Evidence, Tier
from gateway.errors import Refused
from gateway.identity import proof as proofs
from gateway.identity.jwk import thumbprint as jwk_thumbprint
from gateway.identity.jwt import JwtVerifier
from gateway.reasons import Reason
from gateway.values import replace
from tests.identity.idp import digest, jwk, new_key, thumbprint
from tests.identity.idp import proof as make
from tests.identity.test_jwt import DATA, ENDPOINTS, NOW, ORIGIN, b64, good_at, profile, token

KEY, OTHER = new_key(), new_key()
URL = f"{ORIGIN}/data/mcp"
BOUND = token(cnf={"jkt": thumbprint(KEY)})


def proof(**claims: Any) -> str:
    said: dict[str, Any] = {"iat": NOW, "ath": digest(BOUND.encode()), "jti": "p1"} | claims
    return make(KEY, URL, **said)


def headed(**header: Any) -> str:
    """A proof with another header, truly signed."""
    said = {"htm": "POST", "htu": URL, "iat": NOW, "ath": digest(BOUND.encode()), "jti": "p1"}
    merged = {"typ": "dpop+jwt", "jwk": jwk(KEY)} | header
    kept = {name: value for name, value in merged.items() if value is not ...}
    return jwt.encode(said, KEY, algorithm="ES256", headers=kept)


def evidence(*shown: str, authorization: str = f"DPoP {BOUND}") -> Evidence:
    return Evidence((authorization,), DATA, shown, "POST", DATA.path)


def verifier(**changes: Any) -> JwtVerifier:
    return JwtVerifier([profile(**changes)], ORIGIN)


def refusal(shown: Evidence, now: int = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        verifier().verify(shown, now)
    return caught.value


def test_a_token_with_a_proof_of_its_key_is_believed() -> None:
    assert verifier().verify(evidence(proof()), NOW).agent == "agent:demo"


def test_a_proof_may_be_made_at_a_fraction_of_a_second() -> None:
    assert verifier().verify(evidence(proof(iat=NOW + 0.25)), NOW).agent == "agent:demo"


def by_hand(header: dict[str, Any]) -> str:
    return ".".join(b64(json.dumps(part).encode()) for part in (header, {"iat": NOW})) + ".AAAA"


PROOFS: dict[str, tuple[Callable[[], str], str]] = {
    "by another key": (
        lambda: make(OTHER, URL, iat=NOW, ath=digest(BOUND.encode())),
        "another key",
    ),
    "another key's, saying it is ours": (
        lambda: jwt.encode(
            {"htm": "POST", "htu": URL, "iat": NOW, "jti": "p"},
            OTHER,
            algorithm="ES256",
            headers={"typ": "dpop+jwt", "jwk": jwk(KEY)},
        ),
        "signature",
    ),
    "not signed": (
        lambda: by_hand({"alg": "none", "typ": "dpop+jwt", "jwk": jwk(KEY)}),
        "algorithm",
    ),
    "by a shared secret": (
        lambda: by_hand({"alg": "HS256", "typ": "dpop+jwt", "jwk": jwk(KEY)}),
        "algorithm",
    ),
    "with a private key in it": (lambda: headed(jwk=jwk(KEY, private=True)), "private"),
    "with a secret for a key": (lambda: headed(jwk={"kty": "oct", "k": "c2VjcmV0"}), "private"),
    "without a key": (lambda: headed(jwk=..., kid="k1"), "with a key"),
    "with a key that is no object": (lambda: headed(jwk="x"), "with a key"),
    "with a key of odd members": (lambda: headed(jwk={**jwk(KEY), "crv": []}), "another type"),
    "with a key from elsewhere": (lambda: headed(jku="https://evil.example"), "jku"),
    "that wants something understood": (lambda: headed(crit=["exp"]), "crit"),
    "of another type": (lambda: headed(typ="JWT"), "dpop+jwt"),
    "of no type": (lambda: headed(typ=...), "dpop+jwt"),
    "a token for a proof": (lambda: BOUND, "dpop+jwt"),
    "for another method": (lambda: proof(htm="GET"), "method"),
    "for a method in lower case": (lambda: proof(htm="post"), "method"),
    "for no method": (lambda: proof(htm=...), "method"),
    "for another tier": (lambda: proof(htu=f"{ORIGIN}/admin/mcp"), "address"),
    "for another host": (lambda: proof(htu="https://evil.example/data/mcp"), "address"),
    "for an address with a query": (lambda: proof(htu=URL + "?x=1"), "address"),
    "for no address": (lambda: proof(htu=...), "address"),
    "of a minute ago": (lambda: proof(iat=NOW - 61), "now"),
    "of the future": (lambda: proof(iat=NOW + 61), "now"),
    "of a time in text": (lambda: proof(iat=str(NOW)), "now"),
    "of no time": (lambda: proof(iat=...), "now"),
    "of no moment": (lambda: proof(iat=True), "now"),
    "for another token": (lambda: proof(ath=digest(token().encode())), "another token"),
    "for no token": (lambda: proof(ath=...), "another token"),
    "of no name": (lambda: proof(jti=...), "jti"),
    "of an endless name": (lambda: proof(jti="x" * 256), "jti"),
    "padded": (lambda: proof() + "=", "base64url"),
    "grown over 8 KiB": (lambda: proof(pad="x" * 8192), "too large"),
    "nothing": (lambda: "", "three segments"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_a_bad_proof_is_refused_for_its_own_fault(name: str) -> None:
    shown, why = PROOFS[name]
    refused = refusal(evidence(shown()))
    assert refused.reason is Reason.BAD_PROOF
    assert why in refused.detail


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_a_proof_by_ed25519_is_taken_by_both_its_names(name: str) -> None:
    own = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key(), as_dict=True)
    bound = token(cnf={"jkt": jwk_thumbprint(public)})
    header = {"typ": "dpop+jwt", "alg": name, "jwk": public}
    said = {"htm": "POST", "htu": URL, "iat": NOW, "ath": digest(bound.encode()), "jti": "p1"}
    text = ".".join(b64(json.dumps(part).encode()) for part in (header, said))
    shown = evidence(f"{text}.{b64(own.sign(text.encode()))}", authorization=f"DPoP {bound}")
    assert verifier().verify(shown, NOW).agent == "agent:demo"


def test_a_proof_is_good_once() -> None:
    one = verifier()
    one.verify(evidence(proof()), NOW)
    for now in (NOW, NOW + 59):
        with pytest.raises(Refused, match="used before"):
            one.verify(evidence(proof()), now)
    with pytest.raises(Refused, match="not of now"):
        one.verify(evidence(proof()), NOW + 61)


def test_a_proof_from_a_clock_that_is_ahead_is_remembered_as_long_as_it_is_good() -> None:
    one = verifier()
    one.verify(evidence(proof(iat=NOW + 60)), NOW)
    with pytest.raises(Refused, match="used before"):
        one.verify(evidence(proof(iat=NOW + 60)), NOW + 120)


@pytest.mark.parametrize("bound", ["REMEMBERED", "EACH"])
def test_no_proof_is_forgotten_to_make_room(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(proofs, bound, 2)
    one = verifier()
    for name in ("a", "b"):
        one.verify(evidence(proof(jti=name)), NOW)
    with pytest.raises(Refused, match="too many"):
        one.verify(evidence(proof(jti="c")), NOW)
    with pytest.raises(Refused, match="used before"):
        one.verify(evidence(proof(jti="a")), NOW)
    later = NOW + 121
    assert one.verify(evidence(proof(jti="a", iat=later)), later)


def test_who_floods_with_proofs_shuts_out_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "EACH", 1)
    one = verifier()
    one.verify(evidence(proof()), NOW)
    with pytest.raises(Refused, match="too many"):
        one.verify(evidence(proof(jti="p2")), NOW)
    another = token(cnf={"jkt": thumbprint(OTHER)}, jti="j2")
    shown = make(OTHER, URL, iat=NOW, ath=digest(another.encode()))
    assert one.verify(evidence(shown, authorization=f"DPoP {another}"), NOW)


def test_a_bound_token_is_recalled_for_nobody_for_it_wants_a_proof_each_time() -> None:
    one = verifier()
    one.verify(evidence(proof()), NOW)
    assert one.recall(evidence(), NOW) is None
    assert one.recall(evidence(proof()), NOW) is None


def test_a_bound_token_is_no_bearer_token_not_even_with_its_proof() -> None:
    refused = refusal(evidence(proof(), authorization=f"Bearer {BOUND}"))
    assert (refused.reason, "bound" in refused.detail) == (Reason.BAD_TOKEN, True)


@pytest.mark.parametrize("shown", [(), (proof(), proof(jti="p2"))])
def test_a_bound_token_comes_with_one_proof(shown: tuple[str, ...]) -> None:
    assert refusal(evidence(*shown)).reason is Reason.BAD_PROOF


def test_a_token_that_is_bound_to_nothing_proves_nothing() -> None:
    refused = refusal(evidence(proof(), authorization=f"DPoP {token()}"))
    assert (refused.reason, "no key" in refused.detail) == (Reason.BAD_TOKEN, True)


def test_where_there_is_no_request_there_is_no_proof_of_it() -> None:
    assert refusal(replace(evidence(proof()), method="")).reason is Reason.BAD_PROOF


CERTIFICATE = b"a certificate, in DER"
WITH_CERTIFICATE = token(cnf={"x5t#S256": digest(CERTIFICATE)})


@pytest.mark.parametrize(
    ("certificate", "scheme", "good"),
    [
        (CERTIFICATE, "Bearer", True),
        (b"another", "Bearer", False),
        (b"", "Bearer", False),
        (CERTIFICATE, "DPoP", False),
    ],
)
def test_a_token_of_a_certificate_comes_over_its_connection(
    certificate: bytes, scheme: str, good: bool
) -> None:
    shown = Evidence((f"{scheme} {WITH_CERTIFICATE}",), DATA, (), "POST", DATA.path, certificate)
    if good:
        assert verifier().verify(shown, NOW)
    else:
        assert refusal(shown).reason is Reason.BAD_PROOF


def test_a_tier_can_want_a_bound_token() -> None:
    strict = verifier(bound_tiers=frozenset({Tier.TOOL}))
    loose = Evidence((f"Bearer {good_at('all')}",), ENDPOINTS["all"])
    assert strict.verify(loose, NOW).tiers == {Tier.DATA}
    with pytest.raises(Refused) as caught:
        strict.verify(Evidence((f"Bearer {good_at('tool')}",), ENDPOINTS["tool"]), NOW)
    assert caught.value.reason is Reason.BAD_PROOF
    tool, url = good_at("tool", cnf={"jkt": thumbprint(KEY)}), f"{ORIGIN}/tool/mcp"
    shown = make(KEY, url, iat=NOW, ath=digest(tool.encode()))
    bound = Evidence((f"DPoP {tool}",), ENDPOINTS["tool"], (shown,), "POST", "/tool/mcp")
    assert strict.verify(bound, NOW).tiers == {Tier.TOOL}
