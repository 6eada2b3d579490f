"""ASGI on one side, `Exchange` on the other: how the HTTP engine hands on what does not take the lane (lane.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn._types import HTTPScope

from gateway.wire.agents.exchange import Gone, Head, Header, Reply

PIECE: Final = 256 * 1024
"""Bytes given to the carrier at once."""
CERTIFICATE: Final = "certificate"
"""Where in a scope's state the client's certificate is (DER)."""
STALL_SECONDS: Final = 60.0
LINGER_SECONDS: Final = 1.0
LINGER_BYTES: Final = 16 * 1024 * 1024
"""How much of a body is passed over behind an answer that closes the connection. Who still writes when it closes finds
it reset, and never the answer that says why (RFC 9112, 9.6)."""
CLOSE: Final = ("connection", "close")


def head_of(scope: Scope | HTTPScope) -> Head:
    """The head of an `http` scope."""
    return Head(
        scope["method"],
        # The path as sent: percent-encoded ways to an endpoint are no ways.
        (scope.get("raw_path") or scope["path"].encode()).split(b"?")[0].decode("latin-1"),
        # White space around a value is not part of it (RFC 9110, 5.5).
        tuple(
            (k.decode("latin-1").lower(), v.decode("latin-1").strip(" \t"))
            for k, v in scope["headers"]
        ),
    )


class AsgiExchange:
    """One `http` scope."""

    whole = None
    """See `Exchange`: an engine hands a body on in pieces."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.head = head_of(scope)
        self.certificate: bytes = scope.get("state", {}).get(CERTIFICATE, b"")
        self._receive = receive
        self._send = send
        self._watch: asyncio.Future[None] | None = None
        self.task: asyncio.Task[Any] | None = asyncio.current_task()
        """See `Exchange`: the engine serves each in one of its own."""
        self._unread = True
        """Of the body, its end at least."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `Gone`."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            self._unread = more = message.get("more_body", False)
            yield message.get("body", b"")

    async def reply(self, reply: Reply) -> None:
        """A whole answer."""
        headers: list[Header] = [("content-length", str(len(reply.body))), *reply.headers]
        if reply.body and not reply.typed:
            headers.insert(0, ("content-type", "application/json"))
        await self._begin(reply.status, headers)
        if self._unread and CLOSE in reply.headers:
            await self._carry(reply.body, last=False)
            await self._linger()
            await self._carry(b"", last=True)
        else:
            await self._carry(reply.body, last=True)

    async def _linger(self) -> None:
        """Read on for a while what nobody keeps."""
        left = LINGER_BYTES
        with suppress(TimeoutError, Gone):
            async with asyncio.timeout(LINGER_SECONDS):
                async for piece in self.chunks():
                    left -= len(piece)
                    if left < 0:
                        break

    def put(self, body: bytes) -> bool:
        """See `Exchange`: an engine is handed everything by waiting."""
        return False

    async def start(self, headers: Sequence[Header]) -> None:
        """The head of an answer written piece by piece."""
        await self._begin(200, headers)

    async def write(self, *pieces: bytes, last: bool = False) -> None:
        """See `Exchange`."""
        for piece in pieces[:-1]:
            await self._carry(piece, last=False)
        await self._carry(pieces[-1], last=last)

    async def _carry(self, body: bytes, *, last: bool) -> None:
        """In pieces, so that what a slow reader has not taken is not copied into the carrier's buffer.
        Raises `Gone` for a reader that takes nothing for `STALL_SECONDS`."""
        for start in range(0, len(body) or 1, PIECE):
            end = start + PIECE
            piece = body if len(body) <= PIECE else body[start:end]
            more = end < len(body) or not last
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await self._send(
                        {"type": "http.response.body", "body": piece, "more_body": more}
                    )
            except TimeoutError:
                raise Gone from None

    def add(self, pieces: Sequence[bytes], last: bool = False) -> bool:
        """See `Exchange`: an engine takes nothing without being waited for."""
        return False

    def cut(self) -> None:
        """See `Exchange`: a carrier closes what is left without its last piece."""

    def watch(self, told: Callable[[], None] | None) -> None:
        """See `Exchange`."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if told is not None:
            self._watch = asyncio.ensure_future(self._tell(told))

    async def _tell(self, told: Callable[[], None]) -> None:
        await self._hung_up()
        told()

    def gone(self) -> asyncio.Future[None]:
        """See `Exchange`."""
        return asyncio.ensure_future(self._hung_up())

    async def _hung_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _begin(self, status: int, headers: Sequence[Header]) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})
