"""JWT bearer tokens: a presented token is believed or refused, by the profile of its issuer.

Implements `ports.Verifier`. Synchronous, no I/O: keys are in memory. PyJWT checks the signature and
nothing else; every other rule stands here and in presented.py, each with its own detail.
Profile: MCP authorization 2026-07-28, RFC 8707 (audience), RFC 9068 (at+jwt), RFC 8725.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.presented import Presented, bad, bearer, present
from gateway.identity.profile import (
    MAX_TTL_ADMIN,
    Claimed,
    ClaimError,
    IssuerProfile,
    VerificationKey,
)
from gateway.reasons import Reason

LEEWAY: Final = 30
"""Seconds two clocks may differ."""
CACHE_SIZE: Final = 4096
_SCOPES: Final = {f"mcp:{tier}": tier for tier in Tier}
_MAX_TIME: Final = 2**53
_SIGNATURES: Final = jwt.PyJWS()


@dataclass(frozen=True, slots=True)
class _Verified:
    """A cached answer, good only while the key that proved it is still its issuer's key."""

    profile: IssuerProfile
    kid: str
    key: VerificationKey
    identity: WorkloadIdentity


class JwtVerifier:
    """Verifies bearer JWTs of the given issuers for the endpoints of one origin."""

    def __init__(self, issuers: Iterable[IssuerProfile], origin: str) -> None:
        self._profiles = {profile.issuer: profile for profile in issuers}
        self._origin = origin.rstrip("/")
        self._cache: OrderedDict[tuple[str, str], _Verified] = OrderedDict()

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """See `ports.Verifier`. `now`: seconds since the epoch."""
        token = bearer(evidence.authorization)
        # Only canonical tokens get in, so no second spelling of a token can miss or hit its entry;
        # the endpoint is part of the key, because a token is good at one audience only.
        slot = (evidence.endpoint.path, token)
        known = self._recall(slot, now)
        if known is not None:
            return known
        verified = self._verify(present(token), evidence.endpoint, now)
        self._remember(slot, verified)
        return verified.identity

    def _verify(self, token: Presented, endpoint: Endpoint, now: int) -> _Verified:
        profile, key = self._signer(token)
        _check_signature(token, key)
        claims = token.claims
        expires_at = _check_times(claims, profile, endpoint, now)
        self._check_audience(claims, endpoint)
        if "cnf" in claims:
            bad("token is bound to a key and was sent as a bearer token")
        tiers = _tiers(claims, endpoint)
        claimed = _claimed(profile, claims)
        identity = WorkloadIdentity(
            issuer=profile.issuer,
            agent=f"agent:{claimed.agent}",
            tenant=claimed.tenant,
            task=claimed.task,
            intent=claimed.intent,
            tiers=tiers,
            token_id=_jti(claims),
            expires_at=expires_at,
            grant=claimed.grant,
        )
        return _Verified(profile, token.kid, key, identity)

    def _signer(self, token: Presented) -> tuple[IssuerProfile, VerificationKey]:
        issuer = token.claims.get("iss")
        profile = self._profiles.get(issuer) if isinstance(issuer, str) else None
        if profile is None:
            bad("unknown issuer")
        if token.algorithm not in profile.algorithms:
            bad("algorithm is not accepted from this issuer")
        if token.type not in profile.types:
            bad("token type is not accepted from this issuer")
        key = profile.key(token.kid)
        if key is None:
            bad("issuer has no such key")
        if key.algorithm != token.algorithm:
            bad("algorithm is not the key's")
        return profile, key

    def _check_audience(self, claims: Mapping[str, Any], endpoint: Endpoint) -> None:
        audience = claims.get("aud")
        names = [audience] if isinstance(audience, str) else audience
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            bad("claim aud is missing or malformed")
        ours = [name for name in names if _is_within(name, self._origin)]
        if ours != [self._origin + endpoint.path]:
            raise Refused(Reason.WRONG_AUDIENCE, f"token is not for {endpoint.path} alone")

    def _recall(self, slot: tuple[str, str], now: int) -> WorkloadIdentity | None:
        known = self._cache.get(slot)
        if known is None:
            return None
        if known.profile.key(known.kid) is not known.key or _expired(known.identity, now):
            del self._cache[slot]
            return None
        self._cache.move_to_end(slot)
        return known.identity

    def _remember(self, slot: tuple[str, str], verified: _Verified) -> None:
        self._cache[slot] = verified
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)


def _check_signature(token: Presented, key: VerificationKey) -> None:
    try:
        _SIGNATURES.decode(token.text, key.public, algorithms=[key.algorithm])
    except jwt.PyJWTError:
        bad("signature does not verify")


def _check_times(
    claims: Mapping[str, Any], profile: IssuerProfile, endpoint: Endpoint, now: int
) -> int:
    """The expiry, all three times being whole numbers in order."""
    issued, expires = _time(claims, "iat"), _time(claims, "exp")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued
    if expires + LEEWAY <= now:
        raise Refused(Reason.EXPIRED_TOKEN, "token has expired")
    if max(issued, not_before) > now + LEEWAY:
        bad("token is from the future")
    longest = min(profile.max_ttl, MAX_TTL_ADMIN if endpoint.tier is Tier.ADMIN else _MAX_TIME)
    if not 0 < expires - issued <= longest:
        bad(f"token lives longer than {longest} s")
    return expires


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    # `type`, because True is an int and 1e308 a float.
    if type(value) is not int or not 0 < value < _MAX_TIME:
        bad(f"claim {name} is missing or not whole seconds")
    return value


def _tiers(claims: Mapping[str, Any], endpoint: Endpoint) -> frozenset[Tier]:
    scope = claims.get("scope")
    words = scope.split(" ") if isinstance(scope, str) else []
    tiers = frozenset(_SCOPES[word] for word in words if word in _SCOPES) & endpoint.tiers
    if not tiers:
        wanted = " or ".join(f"mcp:{tier}" for tier in sorted(endpoint.tiers))
        raise Refused(Reason.INSUFFICIENT_SCOPE, f"token lacks scope {wanted}")
    return tiers


def _claimed(profile: IssuerProfile, claims: Mapping[str, Any]) -> Claimed:
    try:
        return profile.claimed(claims)
    except ClaimError as error:
        bad(str(error))


def _jti(claims: Mapping[str, Any]) -> str:
    value = claims.get("jti")
    if not isinstance(value, str) or not 0 < len(value) <= 255:
        bad("claim jti is missing or malformed")
    return value


def _is_within(audience: str, origin: str) -> bool:
    return audience == origin or audience.startswith((f"{origin}/", f"{origin}?", f"{origin}#"))


def _expired(identity: WorkloadIdentity, now: int) -> bool:
    return identity.expires_at + LEEWAY <= now
