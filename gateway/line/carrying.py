"""May the result of a call go to its agent while it is still coming? What the Line says of it, before it is known.

Two laws hold for a result in pieces as for a whole one: nothing of it goes before the intent is durable,
and its end not before the outcome is. The first stands here, the second in the order of the Line. So that a large
result does not wait for its intent, that of a tool whose results were large is written as soon as it is queued.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Final

from gateway.core.model import Resolved, Target
from gateway.errors import JournalError, Refused
from gateway.ports import Channel, Outlet, Pending, Prepared
from gateway.values import Value

AGAIN: Final = 8
"""Calls of a tool that are taken for large ones after one that was."""
MOST: Final = 1_024
"""Tools remembered; past it all are forgotten."""


class AfterIntent(Value):
    """An outlet that opens when the call's intent is durable."""

    outlet: Outlet
    intent: Pending
    target: Target
    carrying: Carrying
    """Is told of the target when there is a large result."""

    async def begin(self) -> bool:
        """See `ports.Outlet`."""
        self.carrying.note(self.target)
        try:
            await self.intent.sealed()
        except (JournalError, Refused):
            return False  # the Line will find out the same
        return await self.outlet.begin()

    def write(self, *pieces: bytes) -> Coroutine[Any, Any, None]:
        """See `ports.Outlet`."""
        return self.outlet.write(*pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        """See `ports.Outlet`."""
        return self.outlet.add(pieces)


class Carrying:
    """What results may go in pieces, and of which tools they lately did."""

    def __init__(self) -> None:
        self._likely: dict[Target, int] = {}
        """How many more calls are taken for large ones."""

    def outlet(
        self, resolved: Resolved, channel: Channel, intent: Pending, prepared: Prepared | None
    ) -> Outlet | None:
        """Where a large result of this call may go in pieces; None where the whole must be looked at first.

        That is so on the aggregates, where links are told anew, and for writes with an undo pack, whose
        steps may need the result."""
        if resolved.request.endpoint.kind != "server" or (prepared and prepared.reversal.pack):
            return None
        there: Outlet | None = getattr(channel, "outlet", None)
        if there is None:
            return None
        target = resolved.target
        if self._likely and target in self._likely:
            self._expect(target, intent)
        return AfterIntent(there, intent, target, self)

    def _expect(self, target: Target, intent: Pending) -> None:
        intent.hurry()
        self._likely[target] -= 1
        if not self._likely[target]:
            del self._likely[target]

    def note(self, target: Target) -> None:
        """Its result is a large one."""
        if len(self._likely) >= MOST:
            self._likely.clear()
        self._likely[target] = AGAIN
