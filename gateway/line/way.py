"""How far a call has come on the Line: the values its later steps hand on, each made of the one before.

It knows no step and decides nothing.
"""

from __future__ import annotations

from msgspec import Struct

from gateway.core.approval import DUTY, UNSEEN
from gateway.core.decide import Decided
from gateway.core.describe import Reached
from gateway.core.model import JsonObject, Request, Target
from gateway.core.record import Claim, Permit
from gateway.core.reverse import Reversal
from gateway.line.bounds import Covered
from gateway.line.holding import Waiting
from gateway.ports import Pending, PolicyView, Prepared
from gateway.values import Value


class Way(Struct, eq=False):
    """How far a call has come: what a refusal is described by, and whether there are leases to let go."""

    call_id: str
    request: Request
    policy: PolicyView
    reached: Reached
    began: float = 0.0
    """When it came, by the Line's `Pace`."""
    target: Target | None = None
    """What it was first decided on."""
    fulfilled: frozenset[str] = frozenset()
    """Names of duties that were seen to."""
    claims: tuple[Claim, ...] = ()
    """What its first line uses up, beside what it is made under."""
    bound: JsonObject | None = None
    """What a person's leave among those is for (`core.approval.binding`)."""
    waited: bool = False
    """It was held, and its time has come: its first line is written."""
    under: str = ""
    """The grant that line names, if it was held; empty for a role alone."""
    holds: bool = False
    covered: Covered | None = None
    """What it is made under, once that is known."""
    spent: tuple[str, ...] = ()
    """Grants that have not enough left for it, as that was found."""
    reversal: Reversal | None = None
    """How it would be undone, once that was looked at."""


def taken_up(waiting: Waiting, policy: PolicyView) -> Way:
    """The way of a held call on from where it stopped: what it was held under and allowed as, it must be still. A
    window may be closed by now: there is leave by one while it is open."""
    way = Way(waiting.call_id, waiting.request, policy, waiting.request, waited=True)
    way.target, way.under = waiting.target, waiting.grant
    if UNSEEN in waiting.fulfilled:
        way.fulfilled = waiting.fulfilled - {DUTY, UNSEEN}
    else:
        way.fulfilled, way.bound = waiting.fulfilled, waiting.bound
    return way


class Reversible(Value):
    """Step 9's answer: a call decided with its level known; what is leased and captured, for a write."""

    decided: Decided
    prepared: Prepared | None


class Recorded(Value):
    """Step 11's answer: a decided call, its line in the journal, and the leave that follows from it."""

    covered: Covered
    """The call that was decided, and what it is made under."""
    prepared: Prepared | None
    pending: Pending
    permit: Permit
    at_once: bool
    """Its line is queued, and no time has passed since it was decided."""
