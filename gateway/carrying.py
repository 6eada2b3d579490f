"""May the result of a call go to its agent while it is still coming? What the Line says of it, before it is known.

Two laws hold for a result in pieces as for a whole one: nothing of it goes before the intent is durable,
and its end not before the outcome is. The first stands here, the second in the order of the Line.
"""

from __future__ import annotations

from gateway.core.model import Request
from gateway.errors import JournalError, Refused
from gateway.ports import Channel, Outlet, Pending, Prepared


class AfterIntent:
    """An outlet that opens when the call's intent is durable."""

    def __init__(self, outlet: Outlet, intent: Pending) -> None:
        self._outlet = outlet
        self._intent = intent
        self.write = outlet.write

    async def begin(self) -> bool:
        """See `ports.Outlet`."""
        try:
            await self._intent.sealed()
        except (JournalError, Refused):
            return False  # the Line will find out the same
        return await self._outlet.begin()


def outlet(
    request: Request, channel: Channel, intent: Pending, prepared: Prepared | None
) -> Outlet | None:
    """Where a large result of this call may go in pieces; None where the whole must be looked at first.

    That is so on the aggregates, where links are told anew, and for writes with an undo pack, whose
    steps may need the result."""
    there: Outlet | None = getattr(channel, "outlet", None)
    looked_at = request.endpoint.kind != "server" or (prepared and prepared.reversal.pack)
    return None if there is None or looked_at else AfterIntent(there, intent)
