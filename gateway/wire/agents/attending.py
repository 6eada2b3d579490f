"""While a stateless request is worked on: its agent may go away, and a stream that is quiet must show life.

A client that goes away has cancelled its request (2026-07-28, Streamable HTTP): the work is cancelled
where it stands. It knows no message.
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Any, Final

from gateway.wire.agents.exchange import Exchange, Gone
from gateway.wire.agents.limits import Limits

LOOKS: Final = 4
"""In the time that may pass in silence."""


class Quiet:
    """The requests of one wire that may have been silent for too long, behind one timer that counts its looks."""

    def __init__(self, limits: Limits) -> None:
        self._every = min(limits.quiet_stateless, limits.keep_alive) / LOOKS
        self.first = ceil(limits.quiet_stateless / self._every) + 1
        """Looks until an answer shows life: the next may come at once, and does not count."""
        self.between = ceil(limits.keep_alive / self._every)
        """The same between two signs of it, which follow upon a look."""
        self._looked = 0
        self._due: dict[Attending, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: Attending, looks: int) -> None:
        """It shows life with so many looks, unless it is let go before."""
        self._due[one] = self._looked + looks
        if self._timer is None:
            self._wait()

    def let_go(self, one: Attending) -> None:
        """Its answer is there."""
        self._due.pop(one, None)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._look)

    def _look(self) -> None:
        self._looked += 1
        self._timer = None
        for one in [one for one, due in self._due.items() if due <= self._looked]:
            del self._due[one]
            one.show_life()
        if self._due:
            self._wait()


class Attending:
    """Entered around the work, as `asyncio.timeout` is. Raises `Gone` in place of a cancellation of its own."""

    _exchange: Exchange
    _quiet: Quiet
    _left = False
    _at_work = False
    _task: asyncio.Task[Any] | None = None
    _sign: asyncio.Task[None] | None = None

    async def keep_alive(self) -> None:
        """A sign of life. Raises `Gone`."""
        raise NotImplementedError

    def __enter__(self) -> None:
        self._task = self._exchange.task
        self._at_work = True
        self._exchange.watch(self._leave)
        self._quiet.watch(self, self._quiet.first)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._at_work = False
        self._exchange.watch(None)
        self._quiet.let_go(self)
        # A sign of life that is being written comes to its end: the stream has one writer at a time.
        self._sign = None
        if self._left and self._task is not None and self._task.uncancel() == 0:
            raise Gone from None

    def show_life(self) -> None:
        """It has been silent for long."""
        self._sign = asyncio.get_running_loop().create_task(self._show_life())

    def _leave(self) -> None:
        if not self._left and self._task is not None:
            self._left = True
            self._task.cancel("the agent is gone")

    async def _show_life(self) -> None:
        try:
            await self.keep_alive()
        except Gone:
            if self._at_work:
                self._leave()
            return
        if self._at_work:
            self._quiet.watch(self, self._quiet.between)
