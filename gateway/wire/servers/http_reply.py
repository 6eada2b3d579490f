"""One HTTP reply being read, from its head on: its body piece by piece, its time, its end.

It keeps the limits: silence, total time, and how much may wait unread. It knows no socket and no framing;
those are the connection's, which feeds it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from gateway.settings import bound
from gateway.wire.servers.http_broken import Broken, lost
from gateway.wire.servers.http_heads import Head, length_of, value_of
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.proving import AS_IT_IS, Into, Prover
from gateway.wire.servers.vigil import FOREVER

HIGH_WATER: Final = 512 * 1024
"""Unread body above which the socket is read no further."""
EARLY: Final = 128 * 1024
"""The same before anybody takes all that is there: its first piece is to be looked at soon."""
LOW_WATER: Final = 64 * 1024
DRAIN: Final = 1.0
"""Seconds a stream may take to end once its answer is read, before its connection is given up."""
_NO_LIMITS: Final = Patience(FOREVER, FOREVER, FOREVER)


class Source(Protocol):
    """Where a reply's bytes come from."""

    def abort(self) -> None:
        """Close at once."""

    def resume(self) -> None:
        """There is room for more."""

    def expect(self, due: float) -> None:
        """Look at it again then, at the latest."""


class Reply(Struct, eq=False):
    """The reply to one request, from when its head is there: its body piece by piece, as fast as it is read."""

    head: Head
    _pieces: deque[bytes]
    _complete: bool = False
    whole: bytes | None = None
    """For who asks before it is read: the body, where all of it is there in one piece; None: it is to be read."""
    _source: Source | None = None
    """None from the end of the reply on: the connection may then be serving another one. Until then it has this
    reply looked at."""
    _patience: Patience = _NO_LIMITS
    _heard: float = 0.0
    """When something of it came last."""
    _unread: int = 0
    _error: Broken | None = None
    _waiter: asyncio.Future[None] | None = None
    _held: int = 0
    _draining: bool = False
    _prover: Prover = AS_IT_IS
    """Looks at every piece as it comes."""
    _later: deque[bytes] = field(default_factory=deque)
    """What came while it was behind."""
    _into: Into | None = None
    """Where what is there goes while its reader waits."""
    _handing: bool = False
    """That is to be seen to in a turn to come."""
    _most: int = EARLY
    """Of it may wait unread."""

    # What the reader does.

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises `Broken`."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._news()
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        if self._unread < LOW_WATER and self._source is not None:
            self._source.resume()
        return piece

    async def pieces(self, prover: Prover = AS_IT_IS, into: Into | None = None) -> Sequence[bytes]:
        """All of the body that is there, and at least a piece of it; none at its end, or that of what `prover` is
        for. Raises `Broken`.

        `prover` looks at every piece from now on, as soon as it comes: while it is in the processor's caches. What it
        makes of it comes here; where it raises `ValueError` the reply is broken. While it is `behind`, it is given
        nothing new, and the loop's turn is another's before it goes on.

        What comes while this waits goes `into` that, as long as it takes it: to wake who waits takes longer."""
        self._most = HIGH_WATER
        if prover is not self._prover:
            self._prover = prover
            self._later, self._pieces = self._pieces, deque()
        while True:
            if self._prover.behind or not self._prover.ended:
                await self._look_on()
            if self._pieces:
                return self._taken()
            if self._prover.ended or (self._complete and self._error is None):
                return ()
            self._into = into
            try:
                await self._news()
            finally:
                self._into = None

    def _taken(self) -> Sequence[bytes]:
        found = (*self._pieces,)
        self._pieces.clear()
        self._make_room()
        return found

    def _hand_over(self) -> None:
        """What is there goes on; where that is not to be, who waits for it is told."""
        self._handing = False
        into, waiter = self._into, self._waiter
        if into is None or waiter is None or waiter.done():
            return
        try:
            if not self._later and not self._prover.behind and into((*self._pieces,)):
                self._taken()
                if not self._prover.ended:
                    return
        except Exception as error:
            waiter.set_exception(error)
        self._wake()

    async def _look_on(self) -> None:
        """Look at what was not looked at as it came: at all of it, or until something comes of what takes long.
        Raises `Broken`."""
        while self._later or self._prover.behind:
            if not self._prover.behind:
                self._look_at(self._later.popleft())
            elif not self._pieces:
                await asyncio.sleep(0)
                self._look_at(b"")
            else:
                return
            self._make_room()
        if self._error is not None and not self._pieces:
            raise self._error

    def _look_at(self, piece: bytes) -> None:
        try:
            made = self._prover.feed(piece)
        except ValueError as error:
            self.fail(Broken(str(error)))
            return
        if made:
            self._pieces.append(made)
            self._unread += len(made)

    def _make_room(self) -> None:
        """What waits is what came and was not taken."""
        self._unread = sum(map(len, self._pieces)) + sum(map(len, self._later))
        if self._unread < LOW_WATER and self._source is not None:
            self._source.resume()

    async def body(self, limit: int, begun: bytes = b"") -> bytes:
        """The whole body, `begun` being what was read of it. Raises `Broken`, also when it is larger than
        `limit` bytes."""
        first = begun or await self.read()
        if not first or (self._complete and not self._pieces):
            return self._within(first, limit)
        whole = bytearray(self._within(first, limit))
        while piece := await self.read():
            whole += self._within(piece, limit, len(whole))
        return bytes(whole)

    def _within(self, piece: bytes, limit: int, held: int = 0) -> bytes:
        if held + len(piece) > limit:
            raise self.fail(Broken(f"its answer is larger than {bound(limit)}"))
        return piece

    @property
    def length(self) -> int:
        """Of the body, when its head says so once and plainly; else -1."""
        return length_of(self.head.headers)

    def header(self, name: str) -> str:
        """A header's value by its lower-case name; empty if absent. Of several, the first."""
        return value_of(self.head.headers, name.encode())

    def hold(self) -> None:
        """Until `release`, silence is not the server's fault: it waits for us. The deadline stays."""
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        self._heard = asyncio.get_running_loop().time()

    def close(self) -> None:
        """Nobody reads on. A reply that is not complete takes its connection with it, at once."""
        if not self._complete and not self._draining:
            self.fail(Broken("closed by us"))

    def drain(self) -> None:
        """The answer is read; let the end of the stream come by itself and keep the connection for it."""
        if self._source is None:
            return
        self._drop()
        self._draining = True
        self._unread = 0
        self._source.resume()
        end = asyncio.get_running_loop().time() + DRAIN
        self._patience = Patience(DRAIN, DRAIN, end)
        self._source.expect(end)

    def _drop(self) -> None:
        self._pieces.clear()
        self._later.clear()
        self._prover = AS_IT_IS

    # What the connection does.

    def fail(self, error: Broken) -> Broken:
        """End the reply: nothing that arrived and was not read is believed. Returns the error to raise."""
        self._error = self._error or error
        self._drop()
        source, self._source = self._source, None
        self._wake()
        if source is not None:
            source.abort()
        return error

    def lost(self, error: Exception | None, ends_it: bool) -> None:
        """The connection is gone. `ends_it`: this body's end is the connection's end."""
        if ends_it and error is None:
            self.finish()
            return
        self._source = None
        self._error = self._error or lost()
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
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        if self._later or self._prover.behind:
            self._later.append(piece)
            self._unread += len(piece)
        else:
            self._look_at(piece)
        if self._into is None:
            if self._pieces or self._later or self._prover.behind or self._prover.ended:
                self._wake()
        elif not self._handing:
            self._handing = True
            loop.call_soon(self._hand_over)
        return self._error is not None or self._unread <= self._most

    def finish(self) -> None:
        self._complete = True
        self.whole = self._pieces[0] if len(self._pieces) == 1 else None
        self._source = None
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _news(self) -> asyncio.Future[None]:
        """To be waited for. Raises `Broken` when there will be none."""
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def look(self, now: float) -> float:
        """See `vigil.Awaited`."""
        if self._error is not None:
            return FOREVER
        # Unread pieces mean the reader is slow, a hold means we are: not the server.
        since = now if self._held or self._pieces or self._later else self._heard
        if late := self._patience.late(now, since, True):
            self.fail(Broken(late))
            return FOREVER
        return self._patience.due(since, True)
