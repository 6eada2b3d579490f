"""A large answer in a session: from the work, which outlives connections, to the connection that reads its stream.

It is passed on and not kept, so it cannot be resumed: whoever comes back for it is told that it is lost.
The work goes on to its end all the same, and its outcome is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.model import RequestId
from gateway.wire.agents.large import head
from gateway.wire.agents.lazystream import LazyStream

ROOM: Final = 256 * 1024
"""Bytes that may wait for the reader."""


class Flow:
    """`ports.Outlet`, and what reads from it. One reader, once, and nobody before it has begun."""

    _news: asyncio.Event
    _room: asyncio.Event

    def __init__(self, id: RequestId, start: Callable[[], bool]) -> None:
        """`start` tells who reads the stream that it has begun; False when nobody does."""
        self._id = id
        self._start = start
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._rest: bytes | None = None
        self._over = False
        self._lost = False
        self.begun = False
        self.taken = False
        """A reader has it; there will be no second."""

    async def begin(self) -> bool:
        """See `ports.Outlet`."""
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self.begun = self._start()
        if self.begun:
            await self.write(head(self._id))
        return self.begun

    async def write(self, *pieces: bytes) -> None:
        """See `ports.Outlet`."""
        while self._waiting > ROOM and not self._lost:
            self._room.clear()
            await self._room.wait()
        if not self._lost:
            self._take(pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        """See `ports.Outlet`."""
        if self._waiting > ROOM and not self._lost:
            return False
        if not self._lost:
            self._take(pieces)
        return True

    def _take(self, pieces: Sequence[bytes]) -> None:
        self._pieces += pieces
        self._waiting += sum(map(len, pieces))
        self._news.set()

    def end(self, rest: bytes | None) -> None:
        """The work is done: the last bytes, or None for an answer that must not be completed."""
        self._rest, self._over = rest, True
        self._news.set()

    def lose(self) -> None:
        """Nobody will read it: what comes is dropped."""
        self._lost = True
        self._pieces.clear()
        self._room.set()

    async def pour(self, out: LazyStream, event_id: str | None = None) -> None:
        """Carry it to a connection. Raises `Gone`: the reader's, or because there is no end to be had."""
        self.taken = True
        try:
            while self._pieces or not self._over:
                while self._pieces:
                    pieces, self._pieces, self._waiting = self._pieces, [], 0
                    self._room.set()
                    await out.write_answer(*pieces, id=event_id)
                self._news.clear()
                if not self._over:
                    await self._news.wait()
            await out.end_answer(self._rest)
        finally:
            self.lose()
