"""While a stateless request is worked on: its agent may go away, and a stream that is quiet must show life.

A client that goes away has cancelled its request (2026-07-28, Streamable HTTP): the work is cancelled
where it stands. It knows no message.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.wire.agents.exchange import Exchange, Gone
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.quiet import Quiet


class Attending:
    """Entered around the work, as `asyncio.timeout` is. Raises `Gone` in place of a cancellation of its own."""

    _exchange: Exchange
    _quiet: Quiet
    _limits: Limits
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
        self._quiet.watch(self, self._limits.quiet_stateless)

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
            self._quiet.watch(self, self._limits.keep_alive)
