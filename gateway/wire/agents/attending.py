"""While a stateless request is worked on: its agent may go away, and a stream that is quiet must show life.

A client that goes away has cancelled its request (2026-07-28, Streamable HTTP): the work is cancelled
where it stands. It knows no message.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.wire.agents.exchange import Exchange, Gone
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits

LOOKS: Final = 4
"""In the time that may pass in silence."""


class Quiet:
    """The requests of one wire that may have been silent for too long, behind one timer."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._every = min(limits.quiet_stateless, limits.keep_alive) / LOOKS
        self._due: dict[Attending, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: Attending, seconds: float) -> None:
        """It shows life in so many seconds, unless it is let go before; perhaps a little later."""
        loop = asyncio.get_running_loop()
        self._due[one] = loop.time() + seconds
        if self._timer is None:
            self._timer = loop.call_later(self._every, self._look)

    def let_go(self, one: Attending) -> None:
        """Its answer is there."""
        self._due.pop(one, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for one in [one for one, due in self._due.items() if due <= now]:
            del self._due[one]
            one.show_life()
        self._timer = loop.call_later(self._every, self._look) if self._due else None


class Attending:
    """Entered around the work, as `asyncio.timeout` is. Raises `Gone` in place of a cancellation of its own."""

    __slots__ = ("_at_work", "_exchange", "_left", "_quiet", "_sign", "_stream", "_task")

    def __init__(self, exchange: Exchange, stream: LazyStream, quiet: Quiet) -> None:
        self._exchange = exchange
        self._stream = stream
        self._quiet = quiet
        self._left = False
        self._at_work = False
        self._sign: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._at_work = True
        self._exchange.watch(self._leave)
        self._quiet.watch(self, self._quiet.limits.quiet_stateless)

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
            await self._stream.keep_alive()
        except Gone:
            if self._at_work:
                self._leave()
            return
        if self._at_work:
            self._quiet.watch(self, self._quiet.limits.keep_alive)
