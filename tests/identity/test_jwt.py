"""The attack matrix on bearer tokens: everything a token can be wrong in, one case each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY
from gateway.identity.jwt import CACHE_SIZE, JwtVerifier
from gateway.identity.presented import FORBIDDEN_HEADER
from gateway.identity.profile import Claimed, IssuerProfile, VerificationKey
from gateway.reasons import Reason

NOW = 1_800_000_000
ORIGIN = "http://127.0.0.1:8811"
ISSUER = "urn:bulkhead:test"
OURS = Ed25519PrivateKey.generate()
OTHERS = Ed25519PrivateKey.generate()
ENDPOINTS = {
    "all": Endpoint("all"),
    "data": Endpoint("tier", Tier.DATA),
    "tool": Endpoint("tier", Tier.TOOL),
    "admin": Endpoint("tier", Tier.ADMIN),
    "git": Endpoint("server", server="git"),
    "time": Endpoint("server", server="time"),
}
DATA = ENDPOINTS["data"]


def profile(keys: dict[str, VerificationKey] | None = None, **changes: Any) -> IssuerProfile:
    held = {"k1": VerificationKey("EdDSA", OURS.public_key())} if keys is None else keys
    shape: dict[str, Any] = {
        "issuer": ISSUER,
        "key": held.get,
        "claimed": lambda claims: Claimed(claims["sub"], "local", "T-1", "general"),
        "algorithms": frozenset({"EdDSA"}),
    }
    return IssuerProfile(**(shape | changes))


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "sub": "demo",
        "aud": f"{ORIGIN}/data/mcp",
        "scope": "mcp:data",
        "iat": NOW,
        "exp": NOW + 900,
        "jti": "j1",
    }
    merged = good | changes
    return {name: value for name, value in merged.items() if value is not ...}


def head(**changes: Any) -> dict[str, Any]:
    merged = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"} | changes
    return {name: value for name, value in merged.items() if value is not ...}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def seal(header: bytes | dict[str, Any], payload: bytes | dict[str, Any]) -> str:
    """A truly signed token of exactly these bytes, so that only the named fault can refuse it."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(OURS.sign(signed.encode()))}"


def token(header: dict[str, Any] | None = None, **changes: Any) -> str:
    return seal(head(**(header or {})), claims(**changes))


def verify(*values: str, at: Endpoint = DATA, now: int = NOW) -> WorkloadIdentity:
    return JwtVerifier([profile()], ORIGIN).verify(Evidence(values, at), now)


def refusal(*values: str, at: Endpoint = DATA, now: int = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        verify(*values, at=at, now=now)
    return caught.value


def test_a_good_token_is_the_identity_it_says() -> None:
    identity = verify(f"Bearer {token()}")
    assert identity == WorkloadIdentity(
        issuer=ISSUER,
        agent="agent:demo",
        tenant="local",
        task="T-1",
        intent="general",
        tiers=frozenset({Tier.DATA}),
        token_id="j1",
        expires_at=NOW + 900 + LEEWAY,
    )


def hs256_with_the_public_key() -> str:
    """The classic confusion: our public key as an HMAC secret."""
    secret = OURS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signed = f"{b64(json.dumps(head(alg='HS256')).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def signed_by_another_key(**header: Any) -> str:
    signed = ".".join(b64(json.dumps(part).encode()) for part in (head(**header), claims()))
    return f"{signed}.{b64(OTHERS.sign(signed.encode()))}"


def es256() -> str:
    return jwt.encode(
        claims(), generate_private_key(SECP256R1()), algorithm="ES256", headers=head(alg="ES256")
    )


def swapped_payload() -> str:
    """A good signature over other claims."""
    header, _, signature = token().split(".")
    return f"{header}.{b64(json.dumps(claims(sub='root')).encode())}.{signature}"


def noncanonical() -> str:
    """The same signature bytes in a second spelling: 64 bytes leave four loose bits in the last digit."""
    text = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


TOKENS: dict[str, tuple[Callable[[], str], str]] = {
    "alg none, no signature": (
        lambda: ".".join([*token({"alg": "none"}).split(".")[:2], ""]),
        "signature",
    ),
    "alg none, some signature": (lambda: token({"alg": "none"}), "algorithm is not accepted"),
    "alg None, capitalised": (lambda: token({"alg": "nOnE"}), "algorithm is not accepted"),
    "HMAC with the public key": (hs256_with_the_public_key, "algorithm is not accepted"),
    "an algorithm of another key": (es256, "algorithm is not accepted"),
    "alg missing": (lambda: token({"alg": ...}), "alg"),
    "alg not a string": (lambda: token({"alg": ["EdDSA"]}), "alg"),
    "signed by another key": (signed_by_another_key, "signature"),
    "another issuer's key under its own kid": (
        lambda: signed_by_another_key(kid="k2"),
        "no such key",
    ),
    "payload swapped": (swapped_payload, "signature"),
    "signature padded": (lambda: token() + "==", "base64url"),
    "signature padded once": (lambda: token() + "=", "base64url"),
    "signature in a second spelling": (noncanonical, "canonical"),
    "payload padded": (
        lambda: ".".join(p + "=" if i == 1 else p for i, p in enumerate(token().split("."))),
        "base64url",
    ),
    "standard base64 digits": (lambda: token()[:-4] + "+/+/", "base64url"),
    "white space inside": (lambda: token().replace(".", ". ", 1), "base64url"),
    "newline at the end": (lambda: token() + "\n", "base64url"),
    "two segments": (lambda: token().rpartition(".")[0], "three segments"),
    "five segments, as encrypted": (lambda: token() + ".a.b", "three segments"),
    "empty": (lambda: "", "three segments"),
    "three empty segments": (lambda: "..", "base64url"),
    "header not JSON": (lambda: seal(b"{", claims()), "header"),
    "header an array": (lambda: seal(b"[]", claims()), "header"),
    "payload an array": (lambda: seal(head(), b"[]"), "payload"),
    "payload UTF-16": (lambda: seal(head(), json.dumps(claims()).encode("utf-16")), "payload"),
    "payload with a BOM": (
        lambda: seal(head(), b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
        "payload",
    ),
    "payload NaN": (lambda: seal(head(), b'{"exp": NaN}'), "payload"),
    "payload 2,500 deep": (lambda: seal(head(), b"[" * 2500 + b"]" * 2500), "payload"),
    "duplicate sub": (
        lambda: seal(head(), json.dumps(claims())[:-1].encode() + b',"sub":"root"}'),
        "duplicate",
    ),
    "duplicate alg": (
        lambda: seal(b'{"alg":"EdDSA","alg":"EdDSA","typ":"at+jwt","kid":"k1"}', claims()),
        "duplicate",
    ),
    "typ missing": (lambda: token({"typ": ...}), "typ"),
    "typ JWT": (lambda: token({"typ": "JWT"}), "type"),
    "typ of an ID token": (lambda: token({"typ": "id_token+jwt"}), "type"),
    "kid missing": (lambda: token({"kid": ...}), "kid"),
    "kid empty": (lambda: token({"kid": ""}), "kid"),
    "kid a path": (lambda: token({"kid": "../../../../dev/null"}), "no such key"),
    "kid an injection": (lambda: token({"kid": "k1' OR '1'='1"}), "no such key"),
    "kid with a NUL": (lambda: token({"kid": "k1\0"}), "no such key"),
    "kid too long": (lambda: token({"kid": "k" * 257}), "kid"),
    "kid a number": (lambda: token({"kid": 1}), "kid"),
    **{
        f"header {name}": (partial(token, {name: "https://evil.example/keys"}), name)
        for name in FORBIDDEN_HEADER
    },
    "iss missing": (lambda: token(iss=...), "issuer"),
    "iss of somebody else": (lambda: token(iss="urn:bulkhead:other"), "issuer"),
    "iss nearly ours": (lambda: token(iss=ISSUER + "/"), "issuer"),
    "iss a list": (lambda: token(iss=[ISSUER]), "issuer"),
    "exp missing": (lambda: token(exp=...), "exp"),
    "exp a string": (lambda: token(exp=str(NOW + 900)), "exp"),
    "exp 1e308": (
        lambda: seal(
            head(), json.dumps(claims(exp=0)).replace('"exp": 0', '"exp": 1e308').encode()
        ),
        "exp",
    ),
    "exp true": (lambda: token(exp=True), "exp"),
    "exp negative": (lambda: token(exp=-1), "exp"),
    "exp beyond all dates": (lambda: token(exp=10**30), "exp"),
    "exp in ten years": (lambda: token(exp=NOW + 315_360_000), "lives longer"),
    "exp one second too far": (lambda: token(exp=NOW + 3601), "lives longer"),
    "exp before iat": (lambda: token(iat=NOW + 20, exp=NOW + 10), "lives longer"),
    "iat missing": (lambda: token(iat=...), "iat"),
    "iat null": (lambda: token(iat=None), "iat"),
    "iat in the future": (lambda: token(iat=NOW + LEEWAY + 1, exp=NOW + 900), "future"),
    "nbf in the future": (lambda: token(nbf=NOW + LEEWAY + 1), "future"),
    "nbf a string": (lambda: token(nbf="0"), "nbf"),
    "aud missing": (lambda: token(aud=...), "aud"),
    "aud a number": (lambda: token(aud=8811), "aud"),
    "aud with a number": (lambda: token(aud=[f"{ORIGIN}/data/mcp", 1]), "aud"),
    "jti missing": (lambda: token(jti=...), "jti"),
    "jti empty": (lambda: token(jti=""), "jti"),
    "jti endless": (lambda: token(jti="j" * 256), "jti"),
    "bound to a key, sent as bearer": (lambda: token(cnf={"jkt": "x" * 43}), "bound"),
    "bound to a key in an unknown way": (lambda: token(cnf={"kid": "k1"}), "not known"),
    "bound to half a thumbprint": (lambda: token(cnf={"jkt": "x" * 42}), "not known"),
    "bound to two keys": (lambda: token(cnf={"jkt": "x" * 43, "x5t#S256": "x" * 43}), "one key"),
    "cnf empty": (lambda: token(cnf={}), "one key"),
    "cnf null": (lambda: token(cnf=None), "one key"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_bad_token_is_refused_for_its_own_fault(name: str) -> None:
    make, detail = TOKENS[name]
    refused = refusal(f"Bearer {make()}")
    unknown = detail == "no such key"
    assert refused.reason is (Reason.UNKNOWN_KEY if unknown else Reason.BAD_TOKEN)
    assert detail in refused.detail


HEADERS: dict[str, tuple[tuple[str, ...], Reason, str]] = {
    "none": ((), Reason.NO_TOKEN, "no Authorization"),
    "two": ((f"Bearer {token()}", f"Bearer {token()}"), Reason.BAD_TOKEN, "more than one"),
    "a good one and an empty one": ((f"Bearer {token()}", ""), Reason.BAD_TOKEN, "more than one"),
    "empty": (("",), Reason.BAD_TOKEN, "scheme"),
    "no scheme": ((token(),), Reason.BAD_TOKEN, "scheme"),
    "Basic": ((f"Basic {token()}",), Reason.BAD_TOKEN, "scheme"),
    "DPoP": ((f"DPoP {token()}",), Reason.BAD_TOKEN, "scheme"),
    "scheme alone": (("Bearer",), Reason.BAD_TOKEN, "scheme"),
    "two spaces": ((f"Bearer  {token()}",), Reason.BAD_TOKEN, "base64url"),
    "a tab": ((f"Bearer\t{token()}",), Reason.BAD_TOKEN, "scheme"),
    "space at the end": ((f"Bearer {token()} ",), Reason.BAD_TOKEN, "base64url"),
    "two tokens in one": ((f"Bearer {token()}, Bearer {token()}",), Reason.BAD_TOKEN, "segments"),
    "over 8 KiB": ((f"Bearer {'a' * 8186}",), Reason.BAD_TOKEN, "larger"),
    "a good token grown over 8 KiB": (
        (f"Bearer {token(pad='x' * 8192)}",),
        Reason.BAD_TOKEN,
        "larger",
    ),
    "not ASCII": ((f"Bearer {token()}é",), Reason.BAD_TOKEN, "ASCII"),
    "a full-width dot": (
        (f"Bearer {token().replace('.', chr(0xFF0E))}",),
        Reason.BAD_TOKEN,
        "ASCII",
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_an_authorization_header_is_read_in_one_way_only(name: str) -> None:
    values, reason, detail = HEADERS[name]
    refused = refusal(*values)
    assert refused.reason is reason
    assert detail in refused.detail


def test_the_scheme_is_case_insensitive_as_http_has_it() -> None:
    assert verify(f"bearer {token()}").agent == "agent:demo"


def good_at(name: str, **changes: Any) -> str:
    tiers = {"data": "mcp:data", "tool": "mcp:tool", "admin": "mcp:admin"}
    scope = tiers.get(name, "mcp:data mcp:tool")
    return token(aud=ORIGIN + ENDPOINTS[name].path, scope=scope, **changes)


@pytest.mark.parametrize("minted_for", ENDPOINTS)
@pytest.mark.parametrize("used_at", ENDPOINTS)
def test_a_token_is_good_at_its_own_endpoint_and_at_no_other(minted_for: str, used_at: str) -> None:
    bearer = f"Bearer {good_at(minted_for)}"
    if minted_for == used_at:
        assert verify(bearer, at=ENDPOINTS[used_at]).tiers <= ENDPOINTS[used_at].tiers
    else:
        assert refusal(bearer, at=ENDPOINTS[used_at]).reason is Reason.WRONG_AUDIENCE


WRONG_AUDIENCES: dict[str, Any] = {
    "two of ours": [f"{ORIGIN}/data/mcp", f"{ORIGIN}/tool/mcp"],
    "ours and the bare origin": [f"{ORIGIN}/data/mcp", ORIGIN],
    "the bare origin": ORIGIN,
    "a path within": f"{ORIGIN}/data/mcp/",
    "a query": f"{ORIGIN}/data/mcp?tier=data",
    "case": f"{ORIGIN}/DATA/mcp",
    "another port": "http://127.0.0.1:88110/data/mcp",
    "another host": "https://elsewhere.example/data/mcp",
    "none at all": [],
}


@pytest.mark.parametrize("name", WRONG_AUDIENCES)
def test_an_audience_is_compared_exactly(name: str) -> None:
    assert refusal(f"Bearer {token(aud=WRONG_AUDIENCES[name])}").reason is Reason.WRONG_AUDIENCE


def test_an_audience_elsewhere_does_not_hurt() -> None:
    assert verify(f"Bearer {token(aud=['https://elsewhere.example', f'{ORIGIN}/data/mcp'])}")


def test_an_audience_said_twice_is_still_one() -> None:
    assert verify(f"Bearer {token(aud=[f'{ORIGIN}/data/mcp'] * 2)}")


@pytest.mark.parametrize(
    "scope",
    [..., "", "mcp", "mcp:tool", "mcp:admin", "MCP:DATA", "mcp:data,mcp:tool", ["mcp:data"], None],
)
def test_a_token_without_the_tiers_scope_is_refused(scope: Any) -> None:
    assert refusal(f"Bearer {token(scope=scope)}").reason is Reason.INSUFFICIENT_SCOPE


@pytest.mark.parametrize("said", [["mcp:data"], ["x", "mcp:data"], "mcp:data", "x mcp:data"])
def test_a_scope_can_stand_in_another_claim_where_the_issuer_has_it_there(said: Any) -> None:
    okta = JwtVerifier([profile(scope_claim="scp")], ORIGIN)
    shown = Evidence((f"Bearer {token(scope=..., scp=said)}",), DATA)
    assert okta.verify(shown, NOW).tiers == {Tier.DATA}
    with pytest.raises(Refused):
        okta.verify(Evidence((f"Bearer {token()}",), DATA), NOW)


@pytest.mark.parametrize("said", [[], [["mcp:data"]], [7], {"mcp:data": 1}, 7, None, ["MCP:DATA"]])
def test_a_scope_of_another_shape_is_none(said: Any) -> None:
    okta = JwtVerifier([profile(scope_claim="scp")], ORIGIN)
    with pytest.raises(Refused) as caught:
        okta.verify(Evidence((f"Bearer {token(scp=said)}",), DATA), NOW)
    assert caught.value.reason is Reason.INSUFFICIENT_SCOPE


@pytest.mark.parametrize("name", ["all", "git"])
def test_admin_scope_is_worth_nothing_at_a_shared_endpoint(name: str) -> None:
    endpoint = ENDPOINTS[name]
    everything = token(aud=ORIGIN + endpoint.path, scope="mcp:data mcp:admin")
    assert verify(f"Bearer {everything}", at=endpoint).tiers == {Tier.DATA}
    alone = token(aud=ORIGIN + endpoint.path, scope="mcp:admin")
    assert refusal(f"Bearer {alone}", at=endpoint).reason is Reason.INSUFFICIENT_SCOPE


def test_an_admin_token_lives_a_quarter_of_an_hour() -> None:
    assert verify(f"Bearer {good_at('admin')}", at=ENDPOINTS["admin"])
    long_lived = good_at("admin", exp=NOW + 901)
    assert "lives longer" in refusal(f"Bearer {long_lived}", at=ENDPOINTS["admin"]).detail


def test_a_token_ends_at_its_expiry_and_half_a_minute() -> None:
    bearer = f"Bearer {token()}"
    assert verify(bearer, now=NOW + 900 + LEEWAY - 1)
    assert refusal(bearer, now=NOW + 900 + LEEWAY).reason is Reason.EXPIRED_TOKEN


def test_times_may_have_fractions_which_lengthen_nothing() -> None:
    """RFC 7519, 2: many a library writes what its clock says."""
    bearer = f"Bearer {token(iat=NOW - 0.5, nbf=NOW - 0.5, exp=NOW + 899.9)}"
    assert verify(bearer).expires_at == NOW + 899 + LEEWAY
    assert refusal(bearer, now=NOW + 899 + LEEWAY).reason is Reason.EXPIRED_TOKEN
    assert "future" in refusal(f"Bearer {token(iat=NOW + LEEWAY + 1.5)}").detail


def test_ed25519_is_known_by_both_its_names() -> None:
    """RFC 9864: providers sign by the newer one. It is no way to another algorithm."""
    newer = token({"alg": "Ed25519"})
    assert verify(f"Bearer {newer}") == verify(f"Bearer {token()}")
    assert "signature" in refusal(f"Bearer {signed_by_another_key(alg='Ed25519')}").detail


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_a_key_of_another_algorithm_is_never_tried(name: str) -> None:
    key = VerificationKey("ES256", generate_private_key(SECP256R1()).public_key())
    verifier = JwtVerifier([profile({"k1": key}, algorithms=frozenset({"EdDSA", "ES256"}))], ORIGIN)
    with pytest.raises(Refused, match="not the key's"):
        verifier.verify(Evidence((f"Bearer {token({'alg': name})}",), DATA), NOW)


def test_an_issuer_keeps_to_its_own_algorithms() -> None:
    verifier = JwtVerifier([profile(algorithms=frozenset({"ES256"}))], ORIGIN)
    with pytest.raises(Refused, match="algorithm is not accepted"):
        verifier.verify(Evidence((f"Bearer {token()}",), DATA), NOW)


def test_one_issuers_key_does_not_speak_for_another() -> None:
    theirs = profile({"k2": VerificationKey("EdDSA", OTHERS.public_key())}, issuer="urn:theirs")
    verifier = JwtVerifier([profile(), theirs], ORIGIN)
    forged = signed_by_another_key(kid="k2")
    with pytest.raises(Refused, match="no such key"):
        verifier.verify(Evidence((f"Bearer {forged}",), DATA), NOW)


class TestCache:
    """What was verified once is remembered, and never believed longer or elsewhere."""

    def test_a_remembered_token_still_expires(self) -> None:
        verifier = JwtVerifier([profile()], ORIGIN)
        evidence = Evidence((f"Bearer {token()}",), DATA)
        verifier.verify(evidence, NOW)
        with pytest.raises(Refused) as caught:
            verifier.verify(evidence, NOW + 900 + LEEWAY)
        assert caught.value.reason is Reason.EXPIRED_TOKEN

    def test_a_remembered_token_is_from_the_future_once_the_clock_was_set_back(self) -> None:
        verifier = JwtVerifier([profile()], ORIGIN)
        evidence = Evidence((f"Bearer {token()}",), DATA)
        who = verifier.verify(evidence, NOW)
        assert verifier.recall(evidence, NOW - LEEWAY) is who
        assert verifier.recall(evidence, NOW - LEEWAY - 1) is None
        with pytest.raises(Refused, match="future"):
            verifier.verify(evidence, NOW - LEEWAY - 1)

    def test_a_remembered_token_is_still_good_at_one_endpoint_only(self) -> None:
        verifier = JwtVerifier([profile()], ORIGIN)
        bearer = (f"Bearer {token()}",)
        verifier.verify(Evidence(bearer, DATA), NOW)
        with pytest.raises(Refused) as caught:
            verifier.verify(Evidence(bearer, ENDPOINTS["admin"]), NOW)
        assert caught.value.reason is Reason.WRONG_AUDIENCE

    def test_a_remembered_token_dies_with_its_key(self) -> None:
        keys = {"k1": VerificationKey("EdDSA", OURS.public_key())}
        verifier = JwtVerifier([profile(keys)], ORIGIN)
        evidence = Evidence((f"Bearer {token()}",), DATA)
        verifier.verify(evidence, NOW)
        del keys["k1"]
        with pytest.raises(Refused, match="no such key"):
            verifier.verify(evidence, NOW)

    def test_it_is_recalled_while_its_key_stands_and_it_has_not_expired(self) -> None:
        keys = {"k1": VerificationKey("EdDSA", OURS.public_key())}
        verifier = JwtVerifier([profile(keys)], ORIGIN)
        evidence = Evidence((f"Bearer {token()}",), DATA)
        who = verifier.verify(evidence, NOW)
        assert verifier.recall(evidence, NOW + 1) is who
        assert verifier.recall(Evidence(evidence.authorization, ENDPOINTS["admin"]), NOW) is None
        keys["k1"] = VerificationKey("EdDSA", OURS.public_key())
        assert verifier.recall(evidence, NOW) is None
        verifier.verify(evidence, NOW)
        assert verifier.recall(evidence, NOW + 900 + LEEWAY) is None

    def test_padding_makes_no_second_token_of_a_remembered_one(self) -> None:
        verifier = JwtVerifier([profile()], ORIGIN)
        text = token()
        verifier.verify(Evidence((f"Bearer {text}",), DATA), NOW)
        with pytest.raises(Refused, match="base64url"):
            verifier.verify(Evidence((f"Bearer {text}==",), DATA), NOW)

    def test_the_signature_is_checked_once_while_the_key_stands(self) -> None:
        asked: list[str] = []
        key = VerificationKey("EdDSA", OURS.public_key())

        def claimed(said: Any) -> Claimed:
            asked.append(said["sub"])
            return Claimed(said["sub"], "local", "T-1", "general")

        verifier = JwtVerifier([profile({"k1": key}, claimed=claimed)], ORIGIN)
        evidence = Evidence((f"Bearer {token()}",), DATA)
        assert verifier.verify(evidence, NOW) == verifier.verify(evidence, NOW + 1)
        assert asked == ["demo"]

    def test_it_is_bounded(self) -> None:
        verifier = JwtVerifier([profile()], ORIGIN)
        for number in range(CACHE_SIZE + 10):
            verifier.verify(Evidence((f"Bearer {token(jti=str(number))}",), DATA), NOW)
        assert len(verifier._cache) == CACHE_SIZE
