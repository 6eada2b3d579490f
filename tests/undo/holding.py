"""The small world with a rule that holds some calls of agents."""

from __future__ import annotations

from gateway.core.model import AccessRequest, Decision, Obligation
from gateway.undo.held import Held, Waitings
from gateway.undo.outbox import Outbox
from gateway.undo.parts import held_calls
from gateway.values import replace
from tests.free import Deaf
from tests.undo.rig import HERE, Policy, Rig

SECONDS = 60
BEFORE, DUE = 1_500_000, 1_500_000 + SECONDS * 1_000_000
"""Microseconds since the epoch, by the rig's clock: while a call waits, and when its time has come."""


class Holding(Policy):
    """Holds what agents ask of these tools, once the level is known, as rules do."""

    def __init__(self, *tools: str) -> None:
        super().__init__()
        self.tools = set(tools)

    def decide(self, question: AccessRequest) -> Decision:
        decision = super().decide(question)
        held = question.tool in self.tools and question.level is not None
        if not held or not question.subject.startswith("agent:"):
            return decision
        return replace(decision, obligations=(Obligation("hold", "O1", HERE, SECONDS),))


def waitings(rig: Rig) -> Waitings:
    return Waitings(rig.reader, rig.parts.protector)


def desk(rig: Rig) -> Held:
    return held_calls(rig.parts)


async def sent(rig: Rig, now: int = DUE) -> None:
    """What a gateway that serves does at this time."""
    outbox = Outbox(waitings(rig), lambda waiting: rig.line.send(waiting, Deaf()), lambda: now)
    await outbox.look()
    await outbox.settled()
