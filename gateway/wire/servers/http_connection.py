"""One HTTP/1.1 connection to a tool server: bytes of one request out, one reply at a time in.

Framing is llhttp's (httptools). What it leaves open is closed here: heads, chunk extensions and trailers
without end, and bytes nobody asked for. It knows nothing of MCP, of pools or of which answer is right.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Final, cast

import httptools

from gateway.wire.servers.http_reply import Broken, NotSent, Patience, Reply

MAX_DRY: Final = 64 * 1024
"""Most bytes a server may send without one byte of body among them: heads, chunk framing, trailers."""


class Connection(asyncio.Protocol):
    """The protocol object behind one socket. `on_idle` gets it back after each complete exchange."""

    def __init__(self, on_idle: Callable[[Connection], None]) -> None:
        self._on_idle = on_idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._used = False
        self._dry = 0
        self._framed = False
        self._paused = False
        self._keep_alive = ""
        self._poll: select.poll | None = None
        self.idle_until = 0.0

    def send(self, request: bytes, patience: Patience) -> Reply:
        """Write one whole request. Raises `NotSent` when the connection has ended before a byte left."""
        if self._transport is None or not self.usable:
            raise NotSent("the connection has ended")
        reply = self._reply = Reply(self, patience, self._used)
        self._used = True
        self._dry = 0
        self._transport.write(request)
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

    @property
    def keeps(self) -> float | None:
        """Seconds the server says it keeps an idle connection (`Keep-Alive: timeout=N`), if it does."""
        _, found, rest = self._keep_alive.partition("timeout=")
        seconds = rest.partition(",")[0].strip()
        return float(seconds) if found and seconds.isdigit() and len(seconds) < 6 else None

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
        if self._reply is None:
            self.abort()
            return
        self._dry += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"its reply is not HTTP/1.1 as we read it: {error}")
            return
        if self._dry > MAX_DRY:
            self._fail(f"more than {MAX_DRY} bytes of head or framing without a byte of body")

    def connection_lost(self, exc: Exception | None) -> None:
        reply, self._reply = self._reply, None
        self._transport = None
        if reply is not None:
            reply.lost(exc, ends_it=bool(reply.status) and not self._framed)

    # httptools

    def on_message_begin(self) -> None:
        if self._reply is None:
            raise ValueError("a reply nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        reply = self._reply
        if reply is None or reply.status:
            return  # a trailer
        reply.add(name, value)
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
        self._keep_alive = self._reply.header("keep-alive")
        self._reply.began(status)

    def on_body(self, body: bytes) -> None:
        self._dry = 0
        if self._reply is not None and not self._reply.arrived(body) and not self._paused:
            if self._transport is not None and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None:
            return
        if not reply.status:
            if self._parser.get_status_code() == 101:
                raise ValueError("it switched protocols")
            reply.forget_headers()
            return
        self._reply = None
        self._framed = False
        reply.finish()
        self.resume()
        if self._parser.should_keep_alive():
            self._on_idle(self)
        else:
            self.abort()

    def _fail(self, why: str) -> None:
        if self._reply is not None:
            self._reply.fail(Broken(why))
        self.abort()
