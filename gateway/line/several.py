"""A call whose first line was refused with what it claimed: somebody else has leases, or a grant has not enough left.

What is left is known only by the commit that takes it, and looking takes time: all is decided again before a lease is
waited for, or the next grant is asked. A task with several grants makes a call under the first that covers it and has
enough left. It knows no grant and no journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.core.decide import Decided
from gateway.errors import Refused
from gateway.line import holding
from gateway.line.way import Recorded, Reversible, Way
from gateway.ports import Prepared
from gateway.reasons import Reason
from gateway.values import Value

SPENT: Final = frozenset({Reason.GRANT_SPENT, Reason.GRANT_OVER})
UNCOVERED: Final = frozenset({Reason.GRANT_NEEDED, Reason.GRANT_OVER, Reason.OUTSIDE_GRANT})


class Reverse(Protocol):
    """Step 9 and what is decided with it."""

    async def __call__(self, way: Way, decided: Decided, at_once: bool) -> Reversible: ...


class Steps(Value):
    """Those of the Line that are taken once more."""

    record: Callable[[Way, Reversible], Awaitable[Recorded]]
    """10 and 11."""
    reverse: Reverse
    again: Callable[[Way, Prepared | None], Reversible]
    """3 to 8."""
    approve: Callable[[Way, Reversible], Awaitable[Reversible]]
    """A person's leave, which is for one grant."""


async def recorded(way: Way, reversible: Reversible, steps: Steps) -> Recorded:
    """Steps 10 and 11, as often as there is something else to try them with. Raises `Refused`."""
    while True:
        try:
            return await steps.record(way, reversible)
        except Refused as no:
            reversible = await steps.approve(way, await _anew(way, reversible, no, steps))


async def _anew(way: Way, reversible: Reversible, no: Refused, steps: Steps) -> Reversible:
    """After `no`: what was to be leased with the line is leased before it, or the next grant is asked."""
    prepared = reversible.prepared
    if prepared is None or not prepared.claims or no.reason is not Reason.OVERLOADED:
        return _under_next(way, reversible, no, steps)
    reversible = await steps.reverse(way, reversible.decided, at_once=False)
    if reversible.prepared and holding.seconds(
        reversible.decided, reversible.prepared.reversal, way.fulfilled
    ):
        raise no  # it was to go at once, and would have to wait now
    return reversible


def _under_next(way: Way, reversible: Reversible, no: Refused, steps: Steps) -> Reversible:
    """Raises `Refused`: that there was not enough, when nothing else covers the call."""
    grant = way.covered.cover.grant if way.covered else ""
    if no.reason not in SPENT or not grant:
        raise no
    way.spent += (grant,)
    try:
        return steps.again(way, reversible.prepared)
    except Refused as other:
        raise (no if other.reason in UNCOVERED else other) from None
