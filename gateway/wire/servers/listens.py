"""Watching a stateless tool server: one standing `subscriptions/listen` for all that is watched, over any wire.

After a loss the server is asked again, and what is watched counts as changed: nobody knows what was
missed. Spec: 2026-07-28 patterns/subscriptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from gateway.core.model import JsonObject, RpcError
from gateway.finishing import begin
from gateway.ports import Channel, Told, Watch
from gateway.wire.methods import ACKNOWLEDGED, UPDATED
from gateway.wire.servers.watching import (
    MEMBERS,
    honoured_by,
    not_told,
    wanted_by,
)

TOGETHER: Final = 0.01
"""Seconds in which what is asked for becomes one listen."""
ACK_SECONDS: Final = 5.0
AGAIN: Final = (1.0, 60.0)
"""First and longest pause before a lost listen is opened again."""


Carry = Callable[[JsonObject, Callable[[JsonObject], None]], Awaitable[RpcError | None]]
"""Has a server told of this (`notifications`), for as long as it does; its error if it will not. The second gets
each of its messages. Raises `Lost`."""


class Lost(Exception):
    """The server cannot be asked, or is gone. The message says why."""


class Listens:
    """The backend for a stateless server."""

    def __init__(self, carry: Carry, told: Told) -> None:
        self._carry = carry
        self._told = told
        self._wanted: set[Watch] = set()
        self._turn = asyncio.Lock()
        self._open: _Listen | None = None
        self._chores: set[asyncio.Task[None]] = set()

    async def add(self, watch: Watch, _: Channel) -> RpcError | None:
        """See `watches.Backend`. In this era nothing is asked about a listen."""
        self._wanted.add(watch)
        await asyncio.sleep(TOGETHER)
        try:
            listen = await self._renewed()
        except Lost as error:
            self._wanted.discard(watch)
            return not_told(str(error))
        if listen is not None and watch in listen.honoured:
            return None
        self._wanted.discard(watch)
        return (listen and listen.error) or not_told("it does not tell of this")

    def drop(self, watch: Watch) -> None:
        """See `watches.Backend`."""
        if watch in self._wanted:
            self._wanted.discard(watch)
            begin(self._chores, self._quietly())

    def close(self) -> None:
        """End the standing listen."""
        self._wanted.clear()
        for chore in self._chores:
            chore.cancel()
        if self._open is not None:
            self._open.close()

    async def _renewed(self) -> _Listen | None:
        """A listen for just what is wanted now; the old one ends when the new one stands, not before."""
        async with self._turn:
            wanted, before = frozenset(self._wanted), self._open
            if before is not None and before.wanted == wanted and before.alive:
                return before
            listen = _Listen(self._carry, wanted, self._told) if wanted else None
            if listen is not None:
                await listen.opened()
                if not listen.acknowledged:
                    return listen
                listen.on_end(lambda: self._lost(listen))
            self._open = listen
            if before is not None:
                before.close()
            return listen

    def _lost(self, listen: _Listen) -> None:
        if self._open is listen:
            begin(self._chores, self._again())

    async def _again(self) -> None:
        """Until it stands again, or nothing is wanted any more."""
        pause = AGAIN[0]
        while self._wanted:
            await asyncio.sleep(pause)
            pause = min(pause * 2, AGAIN[1])
            with suppress(Lost):
                listen = await self._renewed()
                if listen is not None and listen.acknowledged:
                    self._missed(listen)
                    return

    def _missed(self, listen: _Listen) -> None:
        for kind, name in listen.honoured:
            if kind == "resource":
                self._told(UPDATED, {"uri": name})

    async def _quietly(self) -> None:
        with suppress(Lost):
            await self._renewed()


class _Listen:
    """One `subscriptions/listen`."""

    def __init__(self, carry: Carry, wanted: frozenset[Watch], told: Told) -> None:
        self.wanted = wanted
        self.honoured: frozenset[Watch] = frozenset()
        self.error: RpcError | None = None
        self._carry = carry
        self._told = told
        self._acknowledged = asyncio.Event()
        self._closed = False
        self._task = asyncio.ensure_future(self._read())

    @property
    def acknowledged(self) -> bool:
        return self._acknowledged.is_set()

    @property
    def alive(self) -> bool:
        return not self._task.done()

    async def opened(self) -> None:
        """Returns when it is acknowledged or refused. Raises `Lost`."""
        acknowledged = asyncio.ensure_future(self._acknowledged.wait())
        try:
            await asyncio.wait(
                (acknowledged, self._task),
                timeout=ACK_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            acknowledged.cancel()
        if self.acknowledged:
            return
        if self._task.done():
            self._task.result()
        self.close()

    def on_end(self, ended: Callable[[], None]) -> None:
        """Call it when the stream is lost."""
        self._task.add_done_callback(lambda _: None if self._closed else ended())

    def close(self) -> None:
        self._closed = True
        self._task.cancel()

    async def _read(self) -> None:
        self.error = await self._carry(wanted_by(self.wanted), self._hear)

    def _hear(self, message: JsonObject) -> None:
        given = message.get("params")
        params: JsonObject = given if isinstance(given, dict) else {}
        if message["method"] == ACKNOWLEDGED:
            self.honoured = honoured_by(params) & self.wanted
            self._acknowledged.set()
        elif message["method"] in MEMBERS:
            self._told(message["method"], params)
