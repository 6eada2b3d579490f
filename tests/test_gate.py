"""The gate: whoever comes first after an issuer has changed its key is answered, and nobody waits for nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.gate import FrontGate
from gateway.reasons import Reason

EVIDENCE = Evidence(("Bearer x",), Endpoint("all"))
WHO = WorkloadIdentity("i", "agent:a", "local", "T", "general", frozenset({Tier.DATA}), "j", 1)


@dataclass
class Verifier:
    """Says these answers in order, and remembers that it was asked to look again."""

    answers: list[Any]
    can_look: bool = True
    looked: int = 0
    known: WorkloadIdentity | None = None

    def verify(self, evidence: Evidence, now: int) -> WorkloadIdentity:
        answer = self.answers.pop(0)
        if isinstance(answer, Reason):
            raise Refused(answer)
        assert isinstance(answer, WorkloadIdentity)
        return answer

    def recall(self, evidence: Evidence, now: int) -> WorkloadIdentity | None:
        return self.known

    async def refreshed(self, evidence: Evidence) -> bool:
        self.looked += 1
        return self.can_look


@dataclass
class TurnedAway:
    noted: list[Reason] = field(default_factory=list)

    def note(self, endpoint: Endpoint, no: Refused) -> None:
        self.noted.append(no.reason)


def gate(verifier: Verifier, turned_away: TurnedAway) -> FrontGate:
    parts: dict[str, Any] = dict.fromkeys(
        ("line", "shelves", "policies", "bounds", "catalogue", "receipts")
    )
    return FrontGate(
        **parts,
        watched={},
        verifier=verifier,
        turned_away=cast(Any, turned_away),
        seconds=lambda: 0,
    )


async def test_the_first_call_after_a_rotation_is_answered() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY, WHO]), TurnedAway()
    assert await gate(verifier, away).identify(EVIDENCE) is WHO
    assert (verifier.looked, away.noted) == (1, [])


async def test_a_key_that_is_nowhere_is_looked_for_once_and_noted_once() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY, Reason.UNKNOWN_KEY]), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert (verifier.looked, away.noted) == (1, [Reason.UNKNOWN_KEY])


async def test_where_it_is_too_soon_to_look_nothing_is_verified_again() -> None:
    verifier, away = Verifier([Reason.UNKNOWN_KEY], can_look=False), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert away.noted == [Reason.UNKNOWN_KEY]


@pytest.mark.parametrize("reason", [Reason.BAD_TOKEN, Reason.NO_TOKEN, Reason.EXPIRED_TOKEN])
async def test_no_other_refusal_waits_for_anything(reason: Reason) -> None:
    verifier, away = Verifier([reason]), TurnedAway()
    with pytest.raises(Refused):
        await gate(verifier, away).identify(EVIDENCE)
    assert (verifier.looked, away.noted) == (0, [reason])


def test_who_is_known_again_is_noted_like_who_is_identified() -> None:
    noted: list[tuple[Evidence, WorkloadIdentity]] = []
    front = gate(Verifier([], known=WHO), TurnedAway())
    assert front.recalled(EVIDENCE) is WHO
    front.noted = lambda evidence, identity: noted.append((evidence, identity))
    assert front.recalled(EVIDENCE) is WHO
    assert noted == [(EVIDENCE, WHO)]


def test_who_is_not_known_again_is_neither_noted_nor_turned_away() -> None:
    away, noted = TurnedAway(), list[Evidence]()
    front = gate(Verifier([]), away)
    front.noted = lambda evidence, _: noted.append(evidence)
    assert front.recalled(EVIDENCE) is None
    assert (away.noted, noted) == ([], [])
