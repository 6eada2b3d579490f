"""Sends held calls when their time has come, in whichever gateway serves then; never one twice.

It looks once a second. The journal decides who sends: the intent can follow only once on the line of a
held call. One whose time was missed by more than an hour is put to a person. It knows no tool server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.core.model import Answer
from gateway.errors import JournalError
from gateway.finishing import to_its_end
from gateway.line.holding import Waiting
from gateway.undo.deadlines import LATE_SECONDS
from gateway.undo.held import Waitings

log = logging.getLogger("bulkhead.held")

LOOK_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 10.0
Send = Callable[[Waiting], Awaitable[Answer]]


class Outbox:
    """The held calls of one journal, as one gateway process sees to them."""

    def __init__(self, waitings: Waitings, send: Send, clock: Callable[[], int]) -> None:
        """`clock`: microseconds since the epoch."""
        self._waitings = waitings
        self._send = send
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, int] = {}

    async def keep(self) -> None:
        """For ever. What goes wrong is logged, and tried again. Cancelled, it ends what it has begun."""
        try:
            while True:
                try:
                    await self.look()
                except JournalError as error:
                    log.error("held calls cannot be looked at: %s", error)
                except Exception:
                    log.exception("held calls cannot be looked at")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._under_way.values():
                task.cancel()
            await self.settled()

    async def look(self) -> None:
        """Begins to send what is due. Raises `JournalError`."""
        waitings = await to_its_end(asyncio.to_thread(self._waitings.all))
        now = self._clock()
        self._not_before = {name: at for name, at in self._not_before.items() if at > now}
        for waiting in waitings:
            if self._is_due(waiting, now):
                name = waiting.call_id
                self._under_way[name] = asyncio.create_task(self._sent(waiting))

    async def settled(self) -> None:
        """Nothing is under way any more."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _is_due(self, waiting: Waiting, now: int) -> bool:
        is_time = 0 <= now - waiting.release_at <= LATE_SECONDS * 1_000_000
        name = waiting.call_id
        return is_time and name not in self._not_before and name not in self._under_way

    async def _sent(self, waiting: Waiting) -> None:
        try:
            answer = await self._send(waiting)
            if answer.error is not None:
                log.warning("held call %s, here: %s", waiting.call_id, answer.error.message)
        except Exception:
            log.exception("held call %s", waiting.call_id)
        finally:
            self._not_before[waiting.call_id] = self._clock() + int(AGAIN_SECONDS * 1e6)
            self._under_way.pop(waiting.call_id, None)
