"""While a stateless request is worked on: its agent may go away, and a stream that is quiet must show life.

A client that goes away has cancelled its request (2026-07-28, Streamable HTTP): the work is cancelled
where it stands. It knows no message.
"""

from __future__ import annotations

import asyncio

from gateway.wire.agents.exchange import Exchange, Gone
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits


class Attending:
    """Entered around the work, as `asyncio.timeout` is. Raises `Gone` in place of a cancellation of its own."""

    __slots__ = ("_exchange", "_gone", "_left", "_limits", "_sign", "_stream", "_task", "_timer")

    def __init__(self, exchange: Exchange, stream: LazyStream, limits: Limits) -> None:
        self._exchange = exchange
        self._stream = stream
        self._limits = limits
        self._left = False
        self._sign: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._gone = self._exchange.gone()
        self._gone.add_done_callback(self._leave)
        self._timer: asyncio.TimerHandle | None = loop.call_later(
            self._limits.quiet_stateless, self._quiet
        )

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._gone.remove_done_callback(self._leave)
        self._gone.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A sign of life that is being written comes to its end: the stream has one writer at a time.
        self._sign = None
        if self._left and self._task is not None and self._task.uncancel() == 0:
            raise Gone from None

    def _leave(self, _: object = None) -> None:
        if not self._left and self._task is not None:
            self._left = True
            self._task.cancel("the agent is gone")

    def _quiet(self) -> None:
        self._sign = asyncio.get_running_loop().create_task(self._show_life())

    async def _show_life(self) -> None:
        try:
            await self._stream.keep_alive()
        except Gone:
            if self._timer is not None:
                self._leave()
            return
        if self._timer is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._limits.keep_alive, self._quiet)
