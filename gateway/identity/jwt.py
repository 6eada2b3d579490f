"""JWTs: a presented token is believed or refused, by the profile of its issuer.

Implements `ports.Verifier`. Verifying is synchronous and free of I/O: keys are in memory. PyJWT checks the
signature (signature.py) and nothing else; every other rule stands here, in presented.py, claims.py and proof.py,
each with its own detail. Profile: MCP authorization 2026-07-28, RFC 8707 (audience), RFC 9068 (at+jwt), RFC 8725.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.model import Endpoint, Evidence, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY, check_audience, check_times, tiers_of, token_id
from gateway.identity.presented import Presented, Scheme, bad, credential, present
from gateway.identity.profile import Claimed, ClaimError, IssuerProfile, VerificationKey
from gateway.identity.proof import Binding, Proofs, binding
from gateway.identity.signature import signed_by
from gateway.identity.spiffe import domain_of
from gateway.values import Value

CACHE_SIZE: Final = 4096
"""Tokens. The one verified longest ago is forgotten first, and verified again if it comes."""
_Slot = tuple[str, tuple[str, ...]]
"""By the whole header, so no second spelling of a token can hit its entry; and by the path of the endpoint, because a
token is good at one audience only."""


class _Verified(Value):
    """A cached answer, good only while the key that proved it is still its issuer's key."""

    profile: IssuerProfile
    kid: str
    key: VerificationKey
    binding: Binding | None
    identity: WorkloadIdentity
    begins_at: int
    """Before it nobody is believed by it, though somebody was: the clock may have been set back."""


class JwtVerifier:
    """Verifies JWTs of the given issuers for the endpoints of one origin."""

    def __init__(self, issuers: Iterable[IssuerProfile], origin: str) -> None:
        self._profiles = {profile.issuer: profile for profile in issuers}
        self._origin = origin.rstrip("/")
        self._cache: dict[_Slot, _Verified] = {}
        self._proofs = Proofs(self._origin)

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """See `ports.Verifier`. `now`: seconds since the epoch."""
        identity = self.recall(evidence, now)
        if identity is not None:
            return identity
        slot = (evidence.endpoint.path, evidence.authorization)
        known = self._cache.get(slot)
        scheme, token = credential(evidence.authorization)
        if known is None:
            known = self._verify(present(token), evidence.endpoint, now)
        self._check_bound(known.binding, scheme, token, evidence, now)
        self._remember(slot, known)
        return known.identity

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        """See `ports.Verifier`. A token that is bound to a key wants a proof each time."""
        slot = (evidence.endpoint.path, evidence.authorization)
        known = self._cache.get(slot)
        if known is None:
            return None
        good = known.begins_at - LEEWAY <= now < known.identity.expires_at
        if not good or known.profile.key(known.kid) is not known.key:
            del self._cache[slot]
            return None
        return known.identity if known.binding is None else None

    async def refreshed(self, evidence: Evidence) -> bool:
        """See `ports.Verifier`."""
        try:
            _, token = credential(evidence.authorization)
            profile = self._profile(present(token).claims)
        except Refused:
            return False
        return await profile.refreshed()

    def _verify(self, token: Presented, endpoint: Endpoint, now: int) -> _Verified:
        claims = token.claims
        profile = self._profile(claims)
        if token.type not in profile.types:
            bad("token type is not accepted from this issuer")
        key = signed_by(token, "issuer", profile.algorithms, profile.key)
        begins_at, expires_at = check_times(claims, profile, endpoint, now)
        check_audience(claims, self._origin, endpoint.path)
        bound = binding(claims)
        identity = _claimed(profile, claims).identity(
            profile.issuer,
            tiers_of(claims, profile, endpoint, bound is not None),
            token_id(claims, profile, token.text),
            expires_at + LEEWAY,
        )
        return _Verified(profile, token.kid, key, bound, identity, begins_at)

    def _profile(self, claims: Mapping[str, Any]) -> IssuerProfile:
        """By `iss`; an SVID without one by its trust domain (JWT-SVID, 3)."""
        issuer = claims["iss"] if "iss" in claims else f"spiffe://{domain_of(claims.get('sub'))}"
        profile = self._profiles.get(issuer) if isinstance(issuer, str) else None
        if profile is None:
            bad("unknown issuer")
        return profile

    def _check_bound(
        self, bound: Binding | None, scheme: Scheme, token: str, evidence: Evidence, now: int
    ) -> None:
        """A token that is bound to a key comes with a proof of it, and in no other way."""
        if bound is None:
            if scheme == "dpop":
                bad("scheme is DPoP and the token is bound to no key")
        else:
            self._proofs.check(bound, scheme, token, evidence, now)

    def _remember(self, slot: _Slot, verified: _Verified) -> None:
        self._cache[slot] = verified
        if len(self._cache) > CACHE_SIZE:
            del self._cache[next(iter(self._cache))]


def _claimed(profile: IssuerProfile, claims: Mapping[str, Any]) -> Claimed:
    try:
        return profile.claimed(claims)
    except ClaimError as error:
        bad(str(error))
