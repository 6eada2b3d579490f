"""`Exchange` on a connection of our own: the request is there whole, the answer goes out in one write if it can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from msgspec import Struct
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE

from gateway.made import Made
from gateway.wire.agents.asgi import PIECE, STALL_SECONDS
from gateway.wire.agents.exchange import Gone, Head, Header, Reply

_JSON: Final = b"content-type: application/json\r\n"
_LENGTH: Final = b"content-length: "
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_LAST: Final = b"0\r\n\r\n"
_CLOSE: Final = b"connection: close\r\n"

TOGETHER: Final = 2 * 1024 * 1024
"""Bytes of pieces that go out at once."""
COPIED: Final = 16 * 1024
"""Bytes up to which it costs less to join them than to hand over each."""


class Carrier(Protocol):
    """The connection."""

    transport: asyncio.Transport
    flow: FlowControl
    server_state: Any

    def answered(self, exchange: LaneExchange) -> None:
        """The last byte of an answer is written."""
        ...


class LaneExchange(Struct, eq=False):
    """One request that came whole, and its answer."""

    head: Head
    whole: bytes
    _carrier: Carrier
    certificate: bytes
    keep_alive: bool = True
    task: asyncio.Task[None] | None = None
    _gone: asyncio.Future[None] | None = None
    _told: Callable[[], None] | None = None
    _over: bool = False
    """Nothing is written any more: the answer is, or nobody is there to read it."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """See `Exchange`."""
        yield self.whole

    async def reply(self, reply: Reply) -> None:
        """See `Exchange`."""
        await self._room()
        head, body = self._head_of(reply), reply.body
        if len(body) <= PIECE:
            self._put((head, body), len(body))
        else:
            self._put((head,))
            for start in range(0, len(body), PIECE):
                await self._room()
                self._put((body[start : start + PIECE],))
        self._end()

    def put(self, body: bytes) -> bool:
        """See `Exchange`."""
        carrier, size = self._carrier, len(body)
        if carrier.flow.write_paused or size > COPIED or not self.keep_alive:
            return False
        if not self._over:
            self._over = True
            plain = _PLAIN.of(carrier.server_state.default_headers)
            carrier.transport.write(b"%b%d\r\n\r\n%b" % (plain, size, body))
            carrier.answered(self)
        return True

    async def start(self, headers: Sequence[Header]) -> None:
        """See `Exchange`."""
        await self._room()
        self._put((self._head(200, _CHUNKED, headers),))

    async def write(self, *pieces: bytes, last: bool = False) -> None:
        """See `Exchange`."""
        *before, final = _portions(pieces)
        for together in before:
            await self._room()
            self._chunk(together)
        await self._room()
        self._chunk(final, _LAST if last else b"")
        if last:
            self._end()

    def add(self, pieces: Sequence[bytes], last: bool = False) -> bool:
        """See `Exchange`."""
        if self._over or self._carrier.flow.write_paused:
            return False
        self._chunk(pieces, _LAST if last else b"")
        if last:
            self._end()
        return True

    def cut(self) -> None:
        """See `Exchange`."""
        self._carrier.transport.close()

    def watch(self, told: Callable[[], None] | None) -> None:
        """See `Exchange`."""
        self._told = told
        if told is not None and self._over:
            told()

    def gone(self) -> asyncio.Future[None]:
        """See `Exchange`."""
        if self._gone is None or self._gone.cancelled():
            self._gone = asyncio.get_running_loop().create_future()
            if self._over:
                self._gone.set_result(None)
        return self._gone

    def lose(self) -> None:
        """The other side is gone."""
        self._over = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if self._told is not None:
            self._told()

    def _chunk(self, pieces: Sequence[bytes], behind: bytes = b"") -> None:
        """One for all of them, and what stands behind it: each write wakes the reader."""
        if size := sum(map(len, pieces)):
            self._put((b"%x\r\n" % size, *pieces, b"\r\n" + behind), size)
        elif behind:
            self._put((behind,))

    def _put(self, pieces: tuple[bytes, ...], size: int = 0) -> None:
        """`size`: bytes of it, or so, where there are several."""
        if self._over:
            return
        if size > COPIED:
            self._carrier.transport.writelines(pieces)
        else:
            self._carrier.transport.write(b"".join(pieces))

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._carrier.answered(self)

    async def _room(self) -> None:
        """Returns when the reader has taken enough. Raises `Gone` for one that takes nothing."""
        flow = self._carrier.flow
        if not flow.write_paused or self._over:
            return
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await flow.drain()
        except TimeoutError:
            raise Gone from None

    def _head_of(self, reply: Reply) -> bytes:
        typed = _JSON if reply.body and not reply.typed else b""
        length = b"%b%d\r\n" % (_LENGTH, len(reply.body))
        return self._head(reply.status, typed + length, reply.headers)

    def _head(self, status: int, framing: bytes, headers: Sequence[Header]) -> bytes:
        more, closes = _written(tuple(headers))
        self.keep_alive = self.keep_alive and not closes
        close = b"" if self.keep_alive or closes else _CLOSE
        always = _ALWAYS.of(self._carrier.server_state.default_headers)
        return b"%b%b%b%b%b\r\n" % (STATUS_LINE[status], always, framing, more, close)


def _portions(pieces: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """What is given to the transport at once: all of them, or of what is more a piece of each."""
    if sum(map(len, pieces)) <= TOGETHER:
        yield pieces
        return
    for whole in pieces:
        for start in range(0, len(whole), PIECE):
            yield (whole[start : start + PIECE],)


def _always(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The engine's own, such as the date: a new list each second."""
    return b"".join(b"%b: %b\r\n" % header for header in headers)


_ALWAYS: Final = Made(_always, 4)


def _plain(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The head of an answer that is JSON and nothing else, up to its length."""
    return b"%b%b%b%b" % (STATUS_LINE[200], _always(headers), _JSON, _LENGTH)


_PLAIN: Final = Made(_plain, 4)


@lru_cache(maxsize=256)
def _written(headers: tuple[Header, ...]) -> tuple[bytes, bool]:
    """Headers as bytes, and whether they end the connection. Raises `ValueError` for what is no header."""
    lines, closes = b"", False
    for name, value in headers:
        raw_name, raw_value = name.encode("latin-1"), value.encode("latin-1")
        if HEADER_RE.search(raw_name) or HEADER_VALUE_RE.search(raw_value):
            raise ValueError("not a header")
        lines += b"%b: %b\r\n" % (raw_name, raw_value)
        closes = closes or (name.lower(), value.lower()) == ("connection", "close")
    return lines, closes
