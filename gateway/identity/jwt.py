"""Tokens: one that is presented is believed or refused, by the profile of its issuer. JWTs, and those of one issuer
that nobody else can read.

Implements `ports.Verifier`. Verifying is synchronous and free of I/O: keys, and what issuers answered, are in memory.
PyJWT checks the signature (signature.py) and nothing else; every other rule stands here, in presented.py, claims.py and
proof.py, each with its own detail. Profile: MCP authorization 2026-07-28, RFC 8707 (audience), RFC 9068 (at+jwt),
RFC 8725, RFC 7662.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.core.model import Endpoint, Evidence, WorkloadIdentity
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY, check_audience, check_times, tiers_of, token_id
from gateway.identity.opaque import check_opaque, check_same, looks_like_jwt, told_of
from gateway.identity.presented import Presented, Scheme, bad, credential, present
from gateway.identity.profile import Answer, Claimed, ClaimError, IssuerProfile, VerificationKey
from gateway.identity.proof import Binding, Proofs, binding
from gateway.identity.signature import signed_by
from gateway.identity.spiffe import domain_of
from gateway.identity.usedproofs import UsedProofs
from gateway.values import Value, replace

CACHE_SIZE: Final = 4096
"""Tokens. The one verified longest ago is forgotten first, and verified again if it comes."""
_Slot = tuple[str, tuple[str, ...]]
"""By the whole header, so no second spelling of a token can hit its entry; and by the path of the endpoint, because a
token is good at one audience only."""


class _Verified(Value):
    """A cached identity, good only while what proved it does: a key that is still its issuer's, a fresh answer."""

    profile: IssuerProfile
    kid: str
    key: VerificationKey | None
    answer: Answer | None
    binding: Binding | None
    identity: WorkloadIdentity
    begins_at: int
    """Before it nobody is believed by it, though somebody was: the clock may have been set back."""


class JwtVerifier:
    """Verifies tokens of the given issuers for the endpoints of one origin. One of them may have opaque ones."""

    def __init__(
        self, issuers: Iterable[IssuerProfile], origin: str, used: UsedProofs | None = None
    ) -> None:
        """`used`: proofs that other processes remember, too."""
        every = list(issuers)
        self._profiles = {profile.issuer: profile for profile in every if not profile.opaque}
        self._opaque = next((profile for profile in every if profile.opaque), None)
        self._origin = origin.rstrip("/")
        self._cache: dict[_Slot, _Verified] = {}
        self._proofs = Proofs(self._origin, used)

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        """See `ports.Verifier`. `now`: seconds since the epoch."""
        identity = self.recall(evidence, now)
        if identity is not None:
            return identity
        slot = (evidence.endpoint.path, evidence.authorization)
        known = self._cache.get(slot)
        scheme, token = credential(evidence.authorization)
        if known is None:
            known = self._verify(token, evidence.endpoint, now)
        self._check_bound(known.binding, scheme, token, evidence, now)
        self._remember(slot, known)
        return known.identity

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        """See `ports.Verifier`. A token that is bound to a key wants a proof each time."""
        slot = (evidence.endpoint.path, evidence.authorization)
        known = self._cache.get(slot)
        if known is None:
            return None
        if (
            known.begins_at <= now < known.identity.expires_at
            and (known.answer is None or _is_fresh(known.answer, known.profile))
            and known.profile.key(known.kid) is known.key
        ):
            return known.identity if known.binding is None else None
        del self._cache[slot]
        return None

    async def refreshed(self, evidence: Evidence) -> bool:
        """See `ports.Verifier`."""
        try:
            _, token = credential(evidence.authorization)
            if (profile := self._unreadable(token)) is None:
                presented = present(token)
                profile = self._profile(presented.claims)
                if profile.answers is None or profile.key(presented.kid) is None:
                    return await profile.refreshed()
        except Refused:
            return False
        return profile.answers is not None and await profile.answers.asked(token)

    def _verify(self, token: str, endpoint: Endpoint, now: int) -> _Verified:
        profile = self._unreadable(token)
        if profile is None:
            return self._verify_jwt(present(token), endpoint, now)
        assert profile.answers is not None
        answer = profile.answers.of(check_opaque(token))
        claims = told_of(answer.claims, profile.issuer, token)
        return self._believed(profile, claims, token, endpoint, now, answer=answer)

    def _verify_jwt(self, token: Presented, endpoint: Endpoint, now: int) -> _Verified:
        claims = token.claims
        profile = self._profile(claims)
        if token.type not in profile.types:
            bad("token type is not accepted from this issuer")
        key = signed_by(token, "issuer", profile.algorithms, profile.key)
        known = self._believed(profile, claims, token.text, endpoint, now, token.kid, key)
        if profile.answers is None:
            return known
        # Last, so that nobody is asked about what would be refused anyway.
        answer = profile.answers.of(token.text)
        check_same(told_of(answer.claims, profile.issuer, token.text), claims)
        return replace(known, answer=answer)

    def _believed(
        self,
        profile: IssuerProfile,
        claims: Mapping[str, Any],
        text: str,
        endpoint: Endpoint,
        now: int,
        kid: str = "",
        key: VerificationKey | None = None,
        answer: Answer | None = None,
    ) -> _Verified:
        begins_at, expires_at = check_times(claims, profile, endpoint, now)
        check_audience(claims, self._origin, endpoint.path)
        bound = binding(claims)
        identity = _claimed(profile, claims).identity(
            profile.issuer,
            tiers_of(claims, profile, endpoint, bound is not None),
            token_id(claims, profile, text),
            expires_at + LEEWAY,
        )
        return _Verified(profile, kid, key, answer, bound, identity, begins_at - LEEWAY)

    def _unreadable(self, token: str) -> IssuerProfile | None:
        """Whose it is, where it does not say so: the one issuer's that has such tokens."""
        return self._opaque if not looks_like_jwt(token) else None

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


def _is_fresh(answer: Answer, profile: IssuerProfile) -> bool:
    return profile.answers is not None and profile.answers.fresh(answer)


def _claimed(profile: IssuerProfile, claims: Mapping[str, Any]) -> Claimed:
    try:
        return profile.claimed(claims)
    except ClaimError as error:
        bad(str(error))
