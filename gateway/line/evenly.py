"""When an agent hears that something is not there for it: at a moment that follows from when it asked alone.

What is unknown, hidden, denied and quarantined is answered in the same words, but not after the same work. So
such an answer leaves a whole number of periods after its call came. It knows no reason and no policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import floor
from typing import Final, Protocol

PERIOD: Final = 0.01
"""Seconds. Longer than such a refusal's work and its commit nearly always take."""


class Pace(Protocol):
    """Whatever makes answers leave at even moments."""

    def now(self) -> float:
        """Seconds on a clock of its own."""
        ...

    async def even(self, since: float) -> None:
        """Returns when the work since then no longer shows."""
        ...


class Evenly:
    """By the clock and timers of the event loop it serves."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = self._first_now
        """See `Pace`."""

    def _first_now(self) -> float:
        self.now = asyncio.get_running_loop().time
        return self.now()

    async def even(self, since: float) -> None:
        """See `Pace`: at the first whole number of periods after `since`."""
        loop = asyncio.get_running_loop()
        until = due(since, loop.time())
        done = loop.create_future()
        timer = loop.call_at(until, done.set_result, None)
        try:
            await done
        finally:
            timer.cancel()


def due(since: float, now: float) -> float:
    """The next whole number of periods after `since`."""
    return since + PERIOD * (floor((now - since) / PERIOD) + 1)
