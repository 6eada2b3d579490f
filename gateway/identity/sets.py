"""Security event tokens (SET, RFC 8417): believed from a configured transmitter, or refused.

Which of them stop an agent: sessions revoked and credentials changed (OpenID CAEP 1.0), accounts disabled or
purged and credentials compromised (RISC 1.0). All others are taken and change nothing. It stops nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.config.issuers import AGENT, From
from gateway.core.event import SecurityEvent
from gateway.errors import Refused
from gateway.identity.claims import LEEWAY, id_claim, time_claim
from gateway.identity.naming import named
from gateway.identity.presented import Presented, bad, present
from gateway.identity.profile import ClaimError, Keys
from gateway.identity.signature import signed_by
from gateway.reasons import Reason
from gateway.values import Value

MAX_AGE: Final = 7 * 86_400
"""Seconds a transmitter may take to deliver one, and its clock be ahead."""
TYPES: Final = ("secevent+jwt", "application/secevent+jwt")
_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC: Final = "https://schemas.openid.net/secevent/risc/event-type/"
STOPPING: Final = frozenset(
    {
        _CAEP + "session-revoked",
        _CAEP + "credential-change",
        _RISC + "account-disabled",
        _RISC + "account-purged",
        _RISC + "account-credential-change-required",
        _RISC + "credential-compromise",
    }
)
_PARTS: Final = ("user", "application")
"""Who of a complex subject can be an agent."""


class Transmitter(Value):
    """One that is believed, about the subjects of one issuer."""

    id: str
    issuer: str
    audience: str
    algorithms: frozenset[str]
    keys: Keys
    subjects_of: str
    """What `iss` of a subject says."""
    naming: From
    """What that issuer's subjects are called here."""
    tenants: tuple[str, ...] = ()
    """Whose they may be. Empty: that issuer's tokens say it each time, so it cannot be told here."""


class SetReader:
    """Reads them all."""

    def __init__(self, transmitters: Iterable[Transmitter]) -> None:
        self._transmitters = {one.issuer: one for one in transmitters}

    def read(self, text: str, now: int) -> SecurityEvent:
        """What it says. `now`: seconds since the epoch.

        Raises `Refused` (bad_token, unknown_key, wrong_audience)."""
        token = present(text)
        one = self._from(token)
        if token.type not in TYPES:
            bad("not of type secevent+jwt")
        signed_by(token, "transmitter", one.algorithms, one.keys.key)
        claims = token.claims
        _check_claims(claims, one, now)
        stopping = sorted(set(claims["events"]) & STOPPING)
        found = dict.fromkeys(
            agent for uri in stopping for agent in _agents(claims, claims["events"][uri], one)
        )
        why = ", ".join(uri.rpartition("/")[2] for uri in stopping)
        return SecurityEvent(one.id, claims["jti"], tuple(found), why, one.tenants)

    async def refreshed(self, text: str) -> bool:
        """As `ports.Verifier.refreshed`."""
        try:
            return await self._from(present(text)).keys.refreshed()
        except Refused:
            return False

    def _from(self, token: Presented) -> Transmitter:
        issuer = token.claims.get("iss")
        one = self._transmitters.get(issuer) if isinstance(issuer, str) else None
        if one is None:
            bad("unknown transmitter")
        return one


def _check_claims(claims: Mapping[str, Any], one: Transmitter, now: int) -> None:
    audience = claims.get("aud")
    if one.audience not in (audience if isinstance(audience, list) else [audience]):
        raise Refused(Reason.WRONG_AUDIENCE, f"event is not for {one.audience}")
    made = time_claim(claims, "iat")
    # Not as strict as with tokens: an event that a slow clock here takes for one of the future is news of a theft.
    if abs(made - now) > MAX_AGE:
        bad("event is older than a week, or a week ahead")
    if "exp" in claims and time_claim(claims, "exp") + LEEWAY <= now:
        bad("event has expired")
    id_claim(claims)
    events = claims.get("events")
    if not isinstance(events, dict) or not events:
        bad("claim events is missing or empty")


def _agents(claims: Mapping[str, Any], event: Any, one: Transmitter) -> Iterator[str]:
    """Those of ours it is about. A subject that is nobody of ours is no fault; one that cannot be read is."""
    said = event.get("subject") if isinstance(event, dict) else None
    subjects = list(_simple(claims.get("sub_id") if said is None else said))
    if not subjects:
        bad("event has no subject that can be read")
    for issuer, subject in subjects:
        if issuer not in (None, one.subjects_of):
            continue
        try:
            yield "agent:" + named(one.naming, {"sub": subject}, AGENT)
        except ClaimError:
            continue


def _simple(subject: Any) -> Iterator[tuple[str | None, str]]:
    """Issuer and name of each subject identifier in it (RFC 9493)."""
    if not isinstance(subject, dict):
        return
    match subject:
        case {"format": "iss_sub", "iss": str(issuer), "sub": str(name)}:
            yield issuer, name
        case {"format": "uri", "uri": str(name)} | {"format": "opaque", "id": str(name)}:
            yield None, name
        case {"format": "complex"}:
            for part in (subject.get(name) for name in _PARTS):
                if isinstance(part, dict) and part.get("format") != "complex":
                    yield from _simple(part)
