"""One HTTP/1.1 connection to a tool server: bytes of one request out, one reply at a time in.

Framing is llhttp's (httptools). What it leaves open is closed here: heads, chunk extensions and trailers
without end, and bytes nobody asked for. A head the parser has read before (http_heads.py) is not read
again, and its body is counted. It knows nothing of MCP, of pools or of which answer is right.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import httptools

from gateway.wire.servers.http_broken import Broken, NotSent, lost
from gateway.wire.servers.http_heads import Head, Header, Known, KnownHeads, head_of, value_of
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import FOREVER, Vigil

MAX_HEADERS: Final = 256
MAX_DRY: Final = 64 * 1024
"""Most bytes a server may send without one byte of body among them: heads, chunk framing, trailers."""


class Connection(asyncio.Protocol):
    """The protocol object behind one socket. `on_idle` gets it back after each complete exchange, for so many
    seconds."""

    def __init__(
        self, on_idle: Callable[[Connection, float], None], known: KnownHeads, vigil: Vigil
    ) -> None:
        self._on_idle = on_idle
        self._known = known
        self._vigil = vigil
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._patience: Patience
        self._since: float
        """When the last one was."""
        self._waiting: asyncio.Future[Reply] | None = None
        """Who is to be told of its reply."""
        self._reply: Reply | None = None
        """From when its head is there until it is over."""
        self._heard = False
        """Something of this reply has come, and it is not over."""
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
        self.idle_until = 0.0
        """When it is too old to be used again; 0 until it was used."""

    def send(self, request: bytes, patience: Patience, now: float) -> asyncio.Future[Reply]:
        """Write one whole request. What comes is its reply, from when its head is there; or `Broken`.

        Raises `NotSent` before a byte has left, unless it is idle and, as far as the operating system knows,
        open: nothing may have come unasked, not even an end."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._waiting or self._reply:
            raise NotSent("the connection has ended")
        if self.idle_until and self._poll is not None and self._poll.poll(0):
            raise NotSent("the connection has ended while it was idle")
        self._patience = patience
        self._since = now
        waiting = self._waiting = self._loop.create_future()
        vigil = self._vigil
        if now + patience.first_byte < vigil.at or patience.deadline < vigil.at:
            vigil.expect(patience.due(now, False))
        transport.write(request)
        return waiting

    def give_up(self, waiting: asyncio.Future[Reply]) -> None:
        """Nobody waits for this reply any more: unless it is whole, its connection ends at once."""
        if self._waiting is waiting:
            self.abort()
        elif not waiting.cancelled() and waiting.exception() is None:
            waiting.result().close()

    def abort(self) -> None:
        """Close at once, whatever is in flight."""
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def expect(self, due: float) -> None:
        self._vigil.expect(due)

    def look(self, now: float) -> float:
        """See `vigil.Awaited`."""
        if self._reply is not None:
            return self._reply.look(now)
        if self._waiting is None:
            return FOREVER
        if late := self._patience.late(now, self._since, False):
            self._fail(Broken(late))
            return FOREVER
        return self._patience.due(self._since, False)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not an isinstance: uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._vigil.begin(self)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        waiting = self._waiting
        if self._heard:
            self._go_on(data)
        elif waiting is None:
            self.abort()
        elif (known := self._known.find(data)) is None:
            self._parse(data)
        elif len(data) != known.size:
            self._recognise(known, data[known.start :])
        else:  # all of a reply at once
            self._waiting = None
            if not waiting.done():
                body = data[known.start :]
                waiting.set_result(Reply(known.head, deque((body,)), True, body))
            self._on_idle(self, known.head.keeps)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._vigil.over(self)
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.lost(exc, ends_it=not self._framed)
            self._tell(reply)
        else:
            self._tell_no(lost(stale=self.idle_until > 0 and not self._heard))

    def _go_on(self, data: bytes) -> None:
        if self._left:
            self._count(data)
        else:
            self._parse(data)

    # A head that was read before.

    def _recognise(self, known: Known, body: bytes) -> None:
        """Who waits is not told before something of its body comes."""
        self._heard = self._framed = True
        self._left = known.length
        self._reply = self._begun(known.head)
        if body:
            self._count(body)

    def _count(self, body: bytes) -> None:
        """The body of a known head ends where it says; what comes behind it was not asked for."""
        left = self._left - len(body)
        self._left = max(left, 0)
        self._pass(body if left >= 0 else body[:left])
        if left <= 0:
            self._finish(keep=left == 0)

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
            self._fail(Broken(f"its reply is not HTTP/1.1 as we read it: {error}"))
            return
        if self._dry > MAX_DRY:
            self._fail(
                Broken(f"more than {MAX_DRY} bytes of head and framing without a byte of body")
            )

    def on_message_begin(self) -> None:
        if self._waiting is None:
            raise ValueError("a reply nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._waiting is None:
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
        if self._waiting is None or status < 200:
            return
        encoding = value_of(self._headers, b"content-encoding").lower()
        if encoding not in ("", "identity"):
            self._fail(Broken(f"it sent a body encoded as {encoding[:20]!r}, which is refused"))
            return
        if status in (204, 304):
            self._framed = True
        self._reply = self._begun(head_of(status, self._headers))
        self._tell(self._reply)

    def on_body(self, body: bytes) -> None:
        self._dry = 0
        self._pass(body)

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None:
            if self._parser.get_status_code() == 101:
                raise ValueError("it switched protocols")
            self._headers, self._learning = [], None  # an interim (1xx) head is over
            return
        keep = self._parser.should_keep_alive()
        if keep and self._learning is not None:
            self._known.learn(self._learning, self._fed, reply.head)
        self._finish(keep)

    # Either way.

    def _begun(self, head: Head) -> Reply:
        """From the head on it is `idle` that counts."""
        now = self._loop.time()
        self.expect(self._patience.due(now, True))
        return Reply(head, deque(), False, None, self, self._patience, now)

    def _tell(self, reply: Reply) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if waiting.done():
            reply.close()
        else:
            waiting.set_result(reply)

    def _tell_no(self, error: Broken) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _pass(self, body: bytes) -> None:
        reply = self._reply
        if reply is None:
            return
        more = reply.arrived(body)
        if self._waiting is not None:
            self._tell(reply)
        transport = self._transport
        if not (more or self._paused or transport is None or transport.is_closing()):
            self._paused = True
            transport.pause_reading()

    def _finish(self, keep: bool) -> None:
        reply, self._reply = self._reply, None
        self._heard = self._framed = False
        self.resume()
        if reply is not None:
            reply.finish()
            if keep:
                self._on_idle(self, reply.head.keeps)
                return
        self.abort()

    def _fail(self, error: Broken) -> None:
        if self._reply is not None:
            self._reply.fail(error)
        self._tell_no(error)
        self.abort()
