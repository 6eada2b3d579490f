"""Security events become fences: who is named is stopped, and that is durable before the event is acknowledged.

An event that is delivered again changes nothing, at the same time or later, here or at another process, also when an
operator has let go of its fence meanwhile. One that was not seen through (the gateway died, the journal failed) was not
taken: delivered again, it is seen through.
It knows fences and no token: who sends is the reader's to tell.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from gateway.core.event import SecurityEvent
from gateway.core.fence import Fence
from gateway.errors import Refused
from gateway.fences.desk import Desk
from gateway.fences.once import Once
from gateway.ports import Remembered
from gateway.reasons import Reason
from gateway.values import Value

KIND: Final = "security event"
ANYBODYS: Final = ""
"""The tenant of a fence that stops its agents whosever they are."""

log = logging.getLogger("bulkhead.fences")


class Reader(Protocol):
    """Believes a security event token, or not (identity/sets.py)."""

    def read(self, text: str, now: int) -> SecurityEvent:
        """Raises `Refused`."""
        ...

    async def refreshed(self, text: str) -> bool:
        """As `ports.Verifier.refreshed`."""
        ...


class Receiving(Value):
    """`ports.Events`. `clock`: microseconds since the epoch. `refused`: tell of one that was not taken."""

    reader: Reader
    desk: Desk
    remembered: Remembered
    once: Once
    clock: Callable[[], int]
    refused: Callable[[Refused], None]

    async def take(self, text: str) -> None:
        """See `ports.Events`."""
        try:
            event = await self._read(text)
        except Refused as no:
            self.refused(no)
            raise
        if not event.agents:
            return
        async with self.once.alone(f"{event.transmitter} {event.id}"):
            if not await self._is_known(event):
                await self._see_through(event)

    async def _see_through(self, event: SecurityEvent) -> None:
        fences = self._fences(event)
        await asyncio.to_thread(self.desk.log.fence, *fences)
        log.warning("fenced by %s: %s", event.transmitter, ", ".join(map(str, fences)))
        await self.desk.contain(fences)
        self.remembered.note(KIND, event.transmitter, {event.id: {"at": self.clock()}})
        await self.remembered.written()

    async def _read(self, text: str) -> SecurityEvent:
        try:
            return self.reader.read(text, self.clock() // 1_000_000)
        except Refused as no:
            if no.reason is not Reason.UNKNOWN_KEY or not await self.reader.refreshed(text):
                raise
        return self.reader.read(text, self.clock() // 1_000_000)

    async def _is_known(self, event: SecurityEvent) -> bool:
        return bool(await self.remembered.find(KIND, event.transmitter, event.id))

    def _fences(self, event: SecurityEvent) -> list[Fence]:
        by, why, at = f"transmitter:{event.transmitter}", f"{event.why} ({event.id})", self.clock()
        return [
            Fence("agent", agent, by, why, at, tenant)
            for agent in event.agents
            for tenant in event.tenants or (ANYBODYS,)
        ]
