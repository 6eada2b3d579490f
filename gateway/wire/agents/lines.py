"""Standard input and output as lines of bytes, bounded; nothing but what is written here reaches the agent.

While the wire is open, file descriptor 1 leads to standard error, so that a stray print cannot break
the protocol. It knows nothing of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Final, Protocol

CHUNK: Final = 64 * 1024


class TooLong(Exception):
    """A line was longer than the bound. It has been skipped; the next one can be read."""


class Wire(Protocol):
    """Bytes in, bytes out."""

    over: asyncio.Event
    """Set at the end of the input, also while what came before it is not read yet."""

    async def read(self) -> bytes:
        """What there is; empty at the end."""
        ...

    async def write(self, line: bytes) -> None:
        """A whole line. Raises `OSError` when nobody reads any more."""
        ...


async def lines(wire: Wire, most: int) -> AsyncIterator[bytes | TooLong]:
    """Every line without its end, blank ones left out; `TooLong` in the place of one that is over `most` bytes."""
    held, skipping = bytearray(), False
    while chunk := await wire.read():
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            held += piece
            if skipping or len(held) > most:
                yield TooLong()
            elif held.strip():
                yield bytes(held)
            held, skipping = bytearray(), False
        held += rest
        if len(held) > most:
            held, skipping = bytearray(), True


class Descriptors:
    """A pair of file descriptors. Reading blocks a thread of its own, one chunk ahead at most."""

    def __init__(self, source: int, sink: int) -> None:
        self.over = asyncio.Event()
        self._source = source
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._turn = asyncio.Lock()
        # A daemon: a read that never returns must not keep the process alive.
        threading.Thread(target=self._pump, name="bulkhead-stdin", daemon=True).start()

    def _pump(self) -> None:
        chunk = b"first"
        while chunk:
            try:
                chunk = os.read(self._source, CHUNK)
            except OSError:
                chunk = b""
            try:
                if not chunk:
                    self._loop.call_soon_threadsafe(self.over.set)
                asyncio.run_coroutine_threadsafe(self._chunks.put(chunk), self._loop).result()
            except (RuntimeError, asyncio.CancelledError):
                return

    async def read(self) -> bytes:
        """What there is; empty at the end."""
        return await self._chunks.get()

    async def write(self, line: bytes) -> None:
        """A whole line, in one piece with respect to others, also when nobody waits for it any more: its thread
        writes on."""
        await asyncio.shield(asyncio.ensure_future(self._in_turn(line)))

    async def _in_turn(self, line: bytes) -> None:
        async with self._turn:
            await asyncio.to_thread(self._write, line)

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._sink, rest) :]


@contextlib.contextmanager
def standard() -> Iterator[Descriptors]:
    """This process's standard input and output, while descriptor 1 itself leads to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    try:
        yield Descriptors(0, private)
    finally:
        os.dup2(private, 1)
        os.close(private)
