"""Connections to one tool server: kept a little while, checked before each use, made when there is none.

A request is written once. It goes out again only when it provably never left (`NotSent` of a kept
connection), so a mutating call cannot reach the server twice by way of this file. No redirect is
followed and no cookie is kept: there is no code for either. It knows HTTP addresses, not MCP.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import weakref
from urllib.parse import urlsplit

from gateway.values import Value
from gateway.wire.servers.http_broken import NotSent
from gateway.wire.servers.http_connection import Connection
from gateway.wire.servers.http_heads import KEEP_IDLE, KnownHeads
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import Vigil


class Address(Value):
    """Where a server is: what to connect to, and what to write in a request."""

    host: str
    port: int
    tls: bool
    target: str
    """Path and query."""
    authority: str
    """The Host header."""


def address(url: str) -> Address:
    """The parts of a server's URL. Raises `ValueError` saying what is wrong with it."""
    if not url.isascii() or any(byte <= " " or byte == "\x7f" for byte in url):
        raise ValueError("only printable ASCII, no spaces")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no user name or password in a URL")
    if parts.fragment:
        raise ValueError("no fragment in a URL")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    return Address(parts.hostname, port, tls, target, authority)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of the process: it costs 40 ms to make, so it is made once."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Pool:
    """The connections to one address."""

    def __init__(self, address: Address, connect: float) -> None:
        """Of the loop that is running."""
        self.loop = asyncio.get_running_loop()
        self._address = address
        self._connect_limit = connect
        self._known = KnownHeads()
        self._vigil = Vigil()
        self._idle: list[Connection] = []
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(self, request: bytes, patience: Patience) -> Reply:
        """Write one request and return its reply as soon as the head is there.

        Raises `NotSent` (no connection could be had) or `Broken`. Cancelled while waiting, it closes
        the connection at once.
        """
        now = self.loop.time()
        if patience.deadline <= now:
            raise NotSent("limits.total had passed before it could be sent")
        while self._idle:
            connection = self._idle.pop()
            try:
                if connection.idle_until > now:
                    coming = connection.send(request, patience, now)
                    break
            except NotSent:
                pass  # it ended while idle: the next one, or a new one
            connection.abort()
        else:
            connection = await self._connect()
            coming = connection.send(request, patience, self.loop.time())
        try:
            return await coming
        except BaseException:
            connection.give_up(coming)
            raise

    def forget_idle(self) -> None:
        """One had ended without a word, and so may the others: what is sent next makes its own."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    async def aclose(self) -> None:
        """Close every connection, idle or not."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._vigil.close()
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    async def _connect(self) -> Connection:
        if self._closed:
            raise NotSent("closed")
        where = self._address
        try:
            async with asyncio.timeout(self._connect_limit):
                _, connection = await self.loop.create_connection(
                    self._connection,
                    where.host,
                    where.port,
                    ssl=tls_context() if where.tls else None,
                    server_hostname=where.host if where.tls else None,
                )
        except TimeoutError:
            raise NotSent(
                f"no connection within limits.connect ({self._connect_limit:g} s)"
            ) from None
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise NotSent(f"no connection: {error}") from None
        return connection

    def _connection(self) -> Connection:
        connection = Connection(self._on_idle, self._known, self._vigil)
        self._all.add(connection)
        return connection

    def _on_idle(self, connection: Connection, seconds: float) -> None:
        if self._closed or seconds <= 0:
            connection.abort()
            return
        connection.idle_until = self.loop.time() + seconds
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(KEEP_IDLE, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long; the most recently used stay at the end of the list."""
        now = self.loop.time()
        for connection in self._idle:
            if connection.idle_until <= now:
                connection.abort()
        self._idle = [kept for kept in self._idle if kept.idle_until > now]
        self._sweeper = self.loop.call_later(KEEP_IDLE, self._sweep) if self._idle else None
