"""One HTTP reply being read: its head, its body piece by piece, its time, its end.

It keeps the limits: silence, total time, and how much may wait unread. It knows no socket and no framing;
those are the connection's, which feeds it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

MAX_HEADERS: Final = 256
HIGH_WATER: Final = 256 * 1024
"""Unread body above which the socket is read no further."""
LOW_WATER: Final = 64 * 1024
DRAIN: Final = 1.0
"""Seconds a stream may take to end once its answer is read, before its connection is given up."""


class NotSent(Exception):
    """Provably nothing of the request has reached the server."""


class Broken(Exception):
    """The request was, or may have been, sent, and no whole reply came. Says why, for the operator."""

    def __init__(self, why: str, *, stale: bool = False, lost: bool = False) -> None:
        super().__init__(why)
        self.lost = lost
        """The connection ended: the server's doing, not a limit of ours."""
        self.stale = stale
        """A kept connection ended before any byte of a reply: most likely the server never read it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one exchange may take. Seconds; `deadline` is absolute, by the loop's clock."""

    first_byte: float
    idle: float
    deadline: float


class Source(Protocol):
    """Where a reply's bytes come from."""

    def abort(self) -> None:
        """Close at once."""

    def resume(self) -> None:
        """There is room for more."""


class Reply:
    """The reply to one request: the head, then the body piece by piece, as fast as it is read."""

    def __init__(self, source: Source, patience: Patience, reused: bool) -> None:
        self.status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._source: Source | None = source
        # None from the end of the reply on: the connection may then be serving another one.
        self._patience = patience
        self._reused = reused
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._complete = False
        self._error: Broken | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self._held = 0
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        self._watch()

    # What the reader does.

    async def head(self) -> None:
        """Returns when the status and the headers are there. Raises `Broken`."""
        while not self.status:
            await self._wait()
        encoding = self.header("content-encoding").lower()
        if encoding not in ("", "identity"):
            raise self.fail(
                Broken(f"it sent a body encoded as {encoding[:20]!r}, which is refused")
            )

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises `Broken`."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._wait()
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        if self._unread < LOW_WATER and self._source is not None:
            self._source.resume()
        return piece

    async def body(self, limit: int, begun: bytes = b"") -> bytes:
        """The whole body, `begun` being what was read of it. Raises `Broken`, also when it is larger than
        `limit` bytes."""
        first = begun or await self.read()
        if not first or (self._complete and not self._pieces):
            return self._within(first, limit)
        whole = bytearray(self._within(first, limit))
        while piece := await self.read():
            whole += self._within(piece, limit - len(whole))
        return bytes(whole)

    def _within(self, piece: bytes, limit: int) -> bytes:
        if len(piece) > limit:
            raise self.fail(Broken("its answer is larger than limits.max_result"))
        return piece

    def header(self, name: str) -> str:
        """A header's value by its lower-case name; empty if absent. Of several, the first."""
        wanted = name.encode()
        for key, value in self._headers:
            if key.lower() == wanted:
                return value.decode("latin-1").strip()
        return ""

    def hold(self) -> None:
        """Until `release`, silence is not the server's fault: it waits for us. The deadline stays."""
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        self._heard = self._loop.time()

    def close(self) -> None:
        """Nobody reads on. A reply that is not complete takes its connection with it, at once."""
        if not self._complete and not self._draining:
            self.fail(Broken("closed by us"))

    def drain(self) -> None:
        """The answer is read; let the end of the stream come by itself and keep the connection for it."""
        if self._source is None:
            return
        self._pieces.clear()
        self._draining = True
        self._unread = 0
        self._source.resume()
        self._patience = Patience(DRAIN, DRAIN, self._loop.time() + DRAIN)
        if self._timer is not None:
            self._timer.cancel()
        self._watch()

    # What the connection does.

    def fail(self, error: Broken) -> Broken:
        """End the reply: nothing that arrived and was not read is believed. Returns the error to raise."""
        self._error = self._error or error
        self._pieces.clear()
        source, self._source = self._source, None
        self._stop()
        if source is not None:
            source.abort()
        return error

    def lost(self, error: Exception | None, ends_it: bool) -> None:
        """The connection is gone. `ends_it`: this body's end is the connection's end."""
        if ends_it and error is None:
            self.finish()
            return
        self._source = None
        self._error = self._error or Broken(
            "the connection broke before the answer was complete",
            stale=self._reused and not self._headers and not self.status,
            lost=True,
        )
        self._stop()

    def began(self, status: int) -> None:
        self.status = status
        self._heard = self._loop.time()
        if self._patience.idle < self._patience.first_byte and self._timer is not None:
            self._timer.cancel()
            self._watch()
        self._wake()

    def arrived(self, piece: bytes) -> bool:
        """Take a piece of body; False when there is more unread than there should be."""
        if self._error is not None:
            return True
        if self._draining:
            self._unread += len(piece)
            if self._unread > LOW_WATER:
                self.fail(Broken("it went on after its answer"))
            return True
        self._pieces.append(piece)
        self._unread += len(piece)
        self._heard = self._loop.time()
        self._wake()
        return self._unread <= HIGH_WATER

    def finish(self) -> None:
        self._complete = True
        self._source = None
        self._stop()

    def add(self, name: bytes, value: bytes) -> None:
        if len(self._headers) >= MAX_HEADERS:
            raise ValueError("too many headers")
        self._headers.append((name, value))

    def forget_headers(self) -> None:
        """An interim (1xx) head is over."""
        self._headers.clear()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._error is not None:
            raise self._error

    def _watch(self) -> None:
        """One timer per exchange: it looks when silence could first be too long, and looks again."""
        self._timer = None
        now = self._loop.time()
        silence = self._patience.idle if self.status else self._patience.first_byte
        # Unread pieces mean the reader is slow, a hold means we are: not the server.
        since = now if self._held or self._pieces else self._heard
        if now >= self._patience.deadline:
            self.fail(Broken("no answer within limits.total"))
        elif now >= since + silence:
            limit = "idle" if self.status else "first_byte"
            self.fail(Broken(f"silent for {silence:g} s, limits.{limit}"))
        else:
            at = min(since + silence, self._patience.deadline)
            if at != float("inf"):
                self._timer = self._loop.call_at(at, self._watch)
