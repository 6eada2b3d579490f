"""The answer to one POST: plain JSON if it comes at once, an event stream from its first event on.

Writing waits for the reader, so a slow one slows its tool server and grows nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.wire import sse
from gateway.wire.agents.exchange import Exchange, Gone, Header, Reply

EVENT_STREAM: Final[tuple[Header, ...]] = (
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
)
JSON: Final[tuple[Header, ...]] = (("content-type", "application/json"),)

MIB: Final = 1024 * 1024


class LazyStream:
    """`send` and `keep_alive` any number of times, then `end` once. All raise `Gone`.

    `write_seconds`: what a reader may take for the first and for every further MiB written at once.
    """

    def __init__(self, exchange: Exchange, write_seconds: float) -> None:
        self._exchange = exchange
        self._write_seconds = write_seconds
        self._turn = asyncio.Lock()
        """One writes at a time."""
        self._open = False
        self._answering = False
        """Set once an answer is being written: nothing may come between or after."""
        self._as_event = False
        self._dead = False

    async def send(self, frame: bytes) -> None:
        """One frame; the stream opens with the first."""
        if self._open and not self._answering and self._added((frame,)):
            return
        async with self._turn:
            if not self._answering:
                await self._write(frame, last=False)

    async def keep_alive(self) -> None:
        """A comment, unless something is being written anyway."""
        if not self._turn.locked():
            await self.send(sse.COMMENT)

    async def end(self, reply: Reply) -> None:
        """The answer itself: as JSON with its status, or as the stream's last event."""
        async with self._turn:
            if self._open:
                await self._write(sse.encode(reply.body), last=True)
            else:
                await self._exchange.reply(reply)

    async def write_answer(self, *pieces: bytes, id: str | None = None) -> None:
        """Pieces of the answer itself, without line ends; `end_answer` ends it. Nothing else is written any more."""
        if self.add_answer(pieces):
            return
        async with self._turn:
            if not self._answering:
                self._answering, self._as_event = True, self._open
                event = b"" if id is None else b"id: %b\n" % id.encode()
                if self._open:
                    pieces = (b"event: message\n%bdata: " % event, *pieces)
            await self._write(*pieces, last=False, headers=JSON)

    def add_answer(self, pieces: Sequence[bytes]) -> bool:
        """The same, where nothing has to be waited for. False: nothing of them is taken."""
        return self._answering and self._added(pieces)

    async def end_answer(self, rest: bytes | None) -> None:
        """The last of its pieces. None: it stays without an end, and so does the connection."""
        if rest is None:
            async with self._turn:
                self._dead = True
                self._exchange.cut()
                raise Gone
        end = rest + b"\n\n" if self._as_event else rest
        if not (self._answering and self._added((end,), last=True)):
            async with self._turn:
                await self._write(end, last=True)

    async def close(self) -> None:
        """End an open stream without another word."""
        async with self._turn:
            await self._write(b"", last=True)

    def _added(self, pieces: Sequence[bytes], *, last: bool = False) -> bool:
        """Written, as nobody has to be waited for."""
        return not self._dead and not self._turn.locked() and self._exchange.add(pieces, last)

    async def _write(
        self, *pieces: bytes, last: bool, headers: tuple[Header, ...] = EVENT_STREAM
    ) -> None:
        if self._dead:
            raise Gone
        size = sum(map(len, pieces))
        began = self._open
        try:
            async with asyncio.timeout(self._write_seconds * (1 + size // MIB)):
                if not began:
                    self._open = True
                    await self._exchange.start(headers)
                await self._exchange.write(*pieces, last=last)
                if began and not last:
                    # A carrier that has lost its connection takes everything at once: without a turn of
                    # the loop a writer without end would never hear that it is cancelled.
                    await asyncio.sleep(0)
        except TimeoutError:
            self._dead = True
            raise Gone from None
