"""One HTTP/1.1 connection to a tool server: bytes of one request out, one reply at a time in.

Framing is llhttp's (httptools). What it leaves open is closed here: heads, chunk extensions and trailers
without end, and bytes nobody asked for. A head the parser has read before (http_heads.py) is not read
again, and its body is counted. It knows nothing of MCP, of pools or of which answer is right.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Final, cast

import httptools

from gateway.wire.servers.http_heads import Header, Known, KnownHeads, keeps_of
from gateway.wire.servers.http_reply import Broken, NotSent, Patience, Reply
from gateway.wire.servers.http_vigil import Vigil

MAX_HEADERS: Final = 256
MAX_DRY: Final = 64 * 1024
"""Most bytes a server may send without one byte of body among them: heads, chunk framing, trailers."""


class Connection(asyncio.Protocol):
    """The protocol object behind one socket. `on_idle` gets it back after each complete exchange."""

    def __init__(
        self, on_idle: Callable[[Connection], None], known: KnownHeads, vigil: Vigil
    ) -> None:
        self._on_idle = on_idle
        self._known = known
        self._vigil = vigil
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._used = False
        self._heard = False
        """Something of this reply has come."""
        self._left = 0
        """Bytes of body still to come behind a known head."""
        self._dry = 0
        self._framed = False
        self._headers: list[Header] = []
        self._learning: bytes | None = None
        """The first bytes of this reply that the parser has been given, if no interim head is among them."""
        self._fed = 0
        """All it has been given of it."""
        self._paused = False
        self._poll: select.poll | None = None
        self.keeps: float | None = None
        """Seconds the server says it keeps the connection while it is idle, if it does."""
        self.idle_until = 0.0

    def send(self, request: bytes, patience: Patience) -> Reply:
        """Write one whole request. Raises `NotSent` when the connection has ended before a byte left."""
        transport = self._transport
        if transport is None or not self.usable:
            raise NotSent("the connection has ended")
        reply = self._reply = Reply(self, patience, self._used, self._vigil)
        self._used = True
        self._heard = False
        transport.write(request)
        return reply

    @property
    def usable(self) -> bool:
        """Idle and, as far as the operating system knows, open: nothing may have come unasked, not even an end."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._reply is not None:
            return False
        return not (self._used and self._poll is not None and self._poll.poll(0))

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not an isinstance: uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            self.abort()
        elif self._left:
            self._count(reply, data)
        elif self._heard or (known := self._known.find(data)) is None:
            self._parse(data)
        else:
            self._recognise(reply, known, data)

    def connection_lost(self, exc: Exception | None) -> None:
        reply, self._reply = self._reply, None
        self._transport = None
        if reply is not None:
            ends_it = bool(reply.status) and not self._framed
            reply.lost(exc, ends_it=ends_it, heard=self._heard)

    # A head that was read before.

    def _recognise(self, reply: Reply, known: Known, data: bytes) -> None:
        self.keeps = known.keeps
        body = data[known.start :]
        if len(body) == known.length:
            self._reply = None
            reply.came(known, body)
            self._on_idle(self)
            return
        self._heard = self._framed = True
        self._left = known.length
        reply.known(known)
        if body:
            self._count(reply, body)

    def _count(self, reply: Reply, body: bytes) -> None:
        """The body of a known head ends where it says; what comes behind it was not asked for."""
        left = self._left - len(body)
        self._left = max(left, 0)
        self._pass(reply, body if left >= 0 else body[:left])
        if left <= 0:
            self._finish(reply, keep=left == 0)

    # httptools

    def _parse(self, data: bytes) -> None:
        if not self._heard:
            self._heard, self._learning = True, data
            self._fed = self._dry = 0
            self._headers = []
        self._fed += len(data)
        self._dry += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"its reply is not HTTP/1.1 as we read it: {error}")
            return
        if self._dry > MAX_DRY:
            self._fail(f"more than {MAX_DRY} bytes of head or framing without a byte of body")

    def on_message_begin(self) -> None:
        if self._reply is None:
            raise ValueError("a reply nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        reply = self._reply
        if reply is None or reply.status:
            return  # a trailer
        if len(self._headers) >= MAX_HEADERS:
            raise ValueError("too many headers")
        self._headers.append((name, value))
        lower = name.lower()
        if lower == b"content-length":
            self._framed = True
        elif lower == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise ValueError("a transfer coding other than chunked")
            self._framed = True

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._reply is None or status < 200:
            return
        if status in (204, 304):
            self._framed = True
        self.keeps = keeps_of(self._headers)
        self._reply.began(status, self._headers)

    def on_body(self, body: bytes) -> None:
        self._dry = 0
        if self._reply is not None:
            self._pass(self._reply, body)

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None:
            return
        if not reply.status:
            if self._parser.get_status_code() == 101:
                raise ValueError("it switched protocols")
            self._headers, self._learning = [], None  # an interim (1xx) head is over
            return
        keep = self._parser.should_keep_alive()
        if keep and self._learning is not None:
            self._known.learn(self._learning, self._fed, reply.status, self._headers)
        self._finish(reply, keep)

    # Either way.

    def _pass(self, reply: Reply, body: bytes) -> None:
        if not reply.arrived(body) and not self._paused:
            if self._transport is not None and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()

    def _finish(self, reply: Reply, keep: bool) -> None:
        self._reply = None
        self._framed = False
        reply.finish()
        self.resume()
        if keep:
            self._on_idle(self)
        else:
            self.abort()

    def _fail(self, why: str) -> None:
        if self._reply is not None:
            self._reply.fail(Broken(why))
        self.abort()
