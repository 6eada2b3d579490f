"""What the claims of a signed token must be, whoever signed it: times, audience, scope, an id. Pure.

Raises `Refused`, each with its own detail for the operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.model import Endpoint, Tier
from gateway.errors import Refused
from gateway.identity.presented import bad
from gateway.identity.profile import MAX_TTL_ADMIN, IssuerProfile
from gateway.reasons import Reason

LEEWAY: Final = 30
"""Seconds two clocks may differ."""
_SCOPES: Final = {f"mcp:{tier}": tier for tier in Tier}
_MAX_TIME: Final = 2**53


def check_times(
    claims: Mapping[str, Any], profile: IssuerProfile, endpoint: Endpoint, now: int
) -> tuple[int, int]:
    """From when and until when it is good, all times being in order."""
    expires = time_claim(claims, "exp")
    issued = time_claim(claims, "iat") if profile.dated or "iat" in claims else now
    not_before = time_claim(claims, "nbf") if "nbf" in claims else issued
    if expires + LEEWAY <= now:
        raise Refused(Reason.EXPIRED_TOKEN, "token has expired")
    begins = max(issued, not_before)
    if begins > now + LEEWAY:
        bad("token is from the future")
    longest = min(profile.max_ttl, MAX_TTL_ADMIN if endpoint.tier is Tier.ADMIN else _MAX_TIME)
    undated = "iat" not in claims
    if not (undated or expires > issued) or expires - issued > longest:
        bad(f"token lives longer than {longest} s")
    return begins, expires


def time_claim(claims: Mapping[str, Any], name: str) -> int:
    """A time in whole seconds: what an issuer says beyond them is cut off."""
    value = seconds(claims.get(name))
    if value is None:
        bad(f"claim {name} is missing or no number of seconds")
    return value


def seconds(said: Any) -> int | None:
    """A NumericDate (RFC 7519, 2), which may have a fraction; None for anything else."""
    # `type`, because True is an int.
    return int(said) if type(said) in (int, float) and 0 < said < _MAX_TIME else None


def check_audience(claims: Mapping[str, Any], origin: str, path: str) -> None:
    """For this address, and for no other of this gateway."""
    audience = claims.get("aud")
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        bad("claim aud is missing or malformed")
    ours = {name for name in names if _is_within(name, origin)}
    if ours != {origin + path}:
        raise Refused(Reason.WRONG_AUDIENCE, f"token is not for {path} alone")


def _is_within(audience: str, origin: str) -> bool:
    return audience == origin or audience.startswith((f"{origin}/", f"{origin}?", f"{origin}#"))


def tiers_of(
    claims: Mapping[str, Any], profile: IssuerProfile, endpoint: Endpoint, bound: bool
) -> frozenset[Tier]:
    """The tiers it reaches here; `bound`: it is good only with a key that has been proved."""
    told = scopes(claims, profile.scope_claim) if profile.tiers is None else profile.tiers
    return reach(told, profile.bound_tiers, endpoint, bound)


def scopes(claims: Mapping[str, Any], claim: str) -> frozenset[Tier]:
    """The tiers a scope names. `scope` is words with blanks between (RFC 8693, 4.2); others may be lists."""
    said = claims.get(claim)
    words = said.split(" ") if isinstance(said, str) else said
    if not isinstance(words, list) or (claim == "scope" and words is said):
        return frozenset()
    return frozenset(_SCOPES[word] for word in words if isinstance(word, str) and word in _SCOPES)


def reach(
    told: frozenset[Tier], bound_tiers: frozenset[Tier], endpoint: Endpoint, bound: bool
) -> frozenset[Tier]:
    """The tiers of an endpoint that are reached. Raises `Refused` where there is none."""
    tiers = told & endpoint.tiers
    if not tiers:
        wanted = " or ".join(f"mcp:{tier}" for tier in sorted(endpoint.tiers))
        raise Refused(Reason.INSUFFICIENT_SCOPE, f"token lacks scope {wanted}")
    if not bound:
        tiers -= bound_tiers
    if not tiers:
        raise Refused(Reason.BAD_PROOF, "only a token that is bound to a key reaches this tier")
    return tiers


def token_id(claims: Mapping[str, Any], profile: IssuerProfile, text: str) -> str:
    """The `jti`; or, of an issuer that gives none, the digest of the one spelling the token has."""
    if not profile.numbered and "jti" not in claims:
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:40]
    return id_claim(claims)


def id_claim(claims: Mapping[str, Any]) -> str:
    """The `jti`."""
    value = claims.get("jti")
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        bad("claim jti is missing or malformed")
    return value
