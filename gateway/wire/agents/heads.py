"""The HTTP engine's connections, bounded in number and in what nobody has believed yet: size and time of a head.

The engine itself would keep as many bytes of headers as a stranger cares to send, for as long as it cares
to take. Bodies are bounded where they are read (door.py). It knows HTTP's framing, and no MCP.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
from collections import deque
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.wire.agents.asgi import CERTIFICATE

log = logging.getLogger("bulkhead.wire")

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head (request line, headers, trailers), give or take what one read of the socket brings."""
HEAD_SECONDS: Final = 20.0
"""From the connection, or the first byte of a later request, to the end of its head."""
END: Final = b"\r\n\r\n"
_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*(?=\r\n)", re.IGNORECASE)
FILES: Final = 1_024
"""Open files for everything that is no agent's connection."""
TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection that is one too many, or whose head is too large or too slow."""

    most = 4_096
    """Connections at once."""

    _unread = 0
    """Bytes that came since the last end of a head or piece of a body."""
    _clock: asyncio.TimerHandle | None = None

    certificate = b""
    """The client's, in DER, as the handshake verified it; empty where there is none."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begun: deque[RequestResponseCycle] = deque()
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True) or b""
            self.app_state = {**self.app_state, CERTIFICATE: self.certificate}
        self._start()
        if len(self.connections) > self.most:
            transport.write(TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._believed()
        super().connection_lost(exc)
        # The engine tells the last request only: one before it that is served would be served on, for nobody.
        for cycle in self._begun:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_HEAD:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._unread and self._clock is None:
            self._start()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            raise ValueError("an upgrade in a later part of a head, or CONNECT")
        self._believed()
        super().on_headers_complete()
        while self._begun and self._begun[0].response_complete:
            self._begun.popleft()
        self._begun.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        self._believed()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._believed()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn. It would be taken for the answer that is due first, to a call that may have been done: where one
        is, that answer is the last."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            super().send_400_response(msg)
        elif not cycle.more_body:
            cycle.keep_alive = False
        elif self.pipeline or cycle.response_started:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _start(self) -> None:
        self._clock = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        self.transport.close()

    def _believed(self) -> None:
        self._unread = 0
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def without_upgrade(data: bytes) -> bytes:
    """A request that does not ask for another protocol, which a server may leave unheard (RFC 9110, 7.8).

    The engine's parser would end such a request with its head, whatever body it says it has: the Java
    platform's client, which offers h2c with every request, was never understood, and what came after the head
    in a packet of its own was read as another request. It offers before it says what is long (a token), so the
    head that does not come whole has the offer in its first part.
    """
    end = data.find(END)
    head = data if end < 0 else data[: end + 2]
    if _UPGRADE.search(head) is None:
        return data
    return _UPGRADE.sub(b"", head) + data[len(head) :]


def at_most(connections: int, engine: type[BoundedHeads], **shared: object) -> type[BoundedHeads]:
    """The engine for so many connections; the process may open as many files. Where the system lets it open fewer
    there are fewer connections: strangers cannot take the files that tool servers and the journal need.

    `shared`: what all of its connections have in common, by the engine's names."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            connections = min(connections, allowed - min(FILES, allowed // 2))
            log.warning("%d connections at most: this process may open %d files", connections, hard)
    return type(engine.__name__, (engine,), {"most": connections, **shared})
