"""One timer for everything that is waited for at one tool server.

It looks when the first of them could be late, and then looks again: a timer for each costs more than the
rest of its reply. It knows no limit and no reply.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Final, Protocol

FOREVER: Final = float("inf")


class Awaited(Protocol):
    """Something that can be late."""

    def look(self, now: float) -> float:
        """End it if it is late. When to look again, by the loop's clock: `FOREVER` while nothing is waited for."""
        ...


class Vigil:
    """Who is waited for, and when to look."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Awaited] = weakref.WeakSet()
        """Not kept alive: uvloop tells a connection of its end no more when who opened it was cancelled."""
        self.at = FOREVER
        """When it looks next."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, one: Awaited) -> None:
        """One more to look at."""
        self._open.add(one)

    def expect(self, due: float) -> None:
        """One of them can be late from `due` on."""
        if due < self.at:
            self.close()
            self.at = due
            self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def over(self, one: Awaited) -> None:
        """It is not looked at any more."""
        self._open.discard(one)

    def close(self) -> None:
        """Look no more."""
        self.at = FOREVER
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self.at = FOREVER
        now = asyncio.get_running_loop().time()
        self.expect(min([one.look(now) for one in list(self._open)], default=FOREVER))
