"""An issuer as the verifier sees it: its name, its keys, the token shapes it may use, and what its claims mean.

A new kind of issuer (OIDC, SPIFFE, a platform) is one new file that makes an `IssuerProfile`.
Nothing here knows where keys come from; looking one up is a dictionary access and never I/O.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.core.model import Tier, WorkloadIdentity
from gateway.reasons import Reason
from gateway.values import Value

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey

MAX_TTL: Final = 3600
"""Seconds between `iat` and `exp`, at most, whatever the issuer."""
MAX_TTL_ADMIN: Final = 900
"""The same for a token of the admin tier."""


class VerificationKey(Value):
    """A public key and the one algorithm it may verify: a token cannot choose another."""

    algorithm: str
    public: PublicKey


def known_again(
    before: Mapping[str, VerificationKey], now: Mapping[str, VerificationKey]
) -> dict[str, VerificationKey]:
    """The keys there are now, by id; of one that was there before the same object: a verifier recognises a key it
    has seen by identity. The same is one by its bytes: another may have been given its id."""
    return {kid: before[kid] if before.get(kid) == key else key for kid, key in now.items()}


class Claimed(Value):
    """What a profile reads from verified claims."""

    agent: str
    tenant: str
    task: str
    intent: str
    grant: str = ""
    on_behalf_of: str = ""
    """The principal an agent acts for, as a delegated token names it (RFC 8693, `act`)."""

    def identity(
        self, issuer: str, tiers: frozenset[Tier], token_id: str, expires_at: int
    ) -> WorkloadIdentity:
        """Who that is, by the word of this issuer. See `WorkloadIdentity`."""
        return WorkloadIdentity(
            issuer=issuer,
            agent=f"agent:{self.agent}",
            tenant=self.tenant,
            task=self.task,
            intent=self.intent,
            tiers=tiers,
            token_id=token_id,
            expires_at=expires_at,
            grant=self.grant,
            on_behalf_of=self.on_behalf_of,
        )


class ClaimError(Exception):
    """A verified token lacks a claim its profile needs, or has it in a wrong shape."""


class Kept(Protocol):
    """What tells good tokens of one issuer, kept fresh while `keep` runs."""

    @property
    def alive(self) -> bool:
        """Is there something to tell them by?"""
        ...

    async def look(self) -> None:
        """Takes up what there is now. Raises nothing but cancellation."""
        ...

    async def keep(self) -> None:
        """Looks until cancelled."""
        ...


class Keys(Kept, Protocol):
    """One issuer's public keys."""

    def key(self, kid: str) -> VerificationKey | None:
        """The key of that id, from memory."""
        ...

    async def refreshed(self) -> bool:
        """See `IssuerProfile.refreshed`."""
        ...


class Answer(Value):
    """What an issuer said of one token. `until`: by the clock. `no` and `why`: it is not good, and has no claims."""

    until: float
    claims: Mapping[str, Any]
    no: Reason | None = None
    why: str = ""


class Sayings(Kept, Protocol):
    """What one issuer says of its tokens, in memory."""

    def of(self, token: str) -> Answer:
        """A fresh answer that has claims. Raises `Refused`: `issuer_silent` where there is none."""
        ...

    def fresh(self, answer: Answer) -> bool:
        """May it still be believed?"""
        ...

    async def asked(self, token: str) -> bool:
        """Has there been an answer since, or none that will come? False: there is no use in waiting for one."""
        ...


async def no_more_keys() -> bool:
    """Of an issuer whose keys are all in memory."""
    return False


class IssuerProfile(Value):
    """One accepted issuer."""

    issuer: str
    """Compared with `iss` as an exact string."""
    key: Callable[[str], VerificationKey | None]
    """The key with this id, from memory; None when there is none."""
    claimed: Callable[[Mapping[str, Any]], Claimed]
    """Reads the claims of a token whose signature is good. Raises `ClaimError`."""
    algorithms: frozenset[str] = frozenset({"EdDSA", "ES256", "RS256", "PS256"})
    types: frozenset[str] = frozenset({"at+jwt"})
    """Values of `typ`, compared without regard to case; "" stands for none."""
    max_ttl: int = MAX_TTL
    dated: bool = True
    """Does every token say when it was made? Else one may have as long to live as `max_ttl`."""
    numbered: bool = True
    """Has every token a `jti`? Else its digest stands for it."""
    tiers: frozenset[Tier] | None = None
    """What its tokens reach. None: what their scope says."""
    scope_claim: str = "scope"
    bound_tiers: frozenset[Tier] = frozenset()
    """Tiers only a token that is bound to a key reaches."""
    refreshed: Callable[[], Awaitable[bool]] = no_more_keys
    """Waits, a little, for a look at the issuer's present keys. False: there is none to wait for."""
    answers: Sayings | None = None
    """What it says of its tokens, where it is asked about each."""
    opaque: bool = False
    """Does a token say nothing, and its issuer's answer everything?"""


def text_claim(claims: Mapping[str, Any], name: str, shape: re.Pattern[str]) -> str:
    """A claim that must be a string of this shape. Raises `ClaimError` naming it."""
    value = claims.get(name)
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise ClaimError(f"claim {name} is missing or malformed")
    return value
