"""One HTTP exchange, whoever carries it: the HTTP engine by way of ASGI (asgi.py), or a connection of our own
(laneexchange.py).

It knows HTTP's words and nothing of MCP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from gateway.values import Value

Header = tuple[str, str]


class Gone(Exception):
    """The other side of the connection is closed, or takes nothing any more."""


class Head(Value, dict=True):
    """What came before the body. Header names are lower case; order and repetition are kept."""

    method: str
    path: str
    headers: tuple[Header, ...]

    @cached_property
    def last(self) -> Mapping[str, str]:
        """The last value of each header."""
        return dict(self.headers)

    @cached_property
    def length(self) -> int | None:
        """What Content-Length says; None where it says no number."""
        said = next((value for name, value in self.headers if name == "content-length"), "")
        return int(said) if said.isdigit() else None

    @cached_property
    def _every(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name, value in self.headers:
            found.setdefault(name, []).append(value)
        return {name: tuple(values) for name, values in found.items()}

    def every(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order."""
        return self._every.get(name, ())

    def get(self, name: str) -> str | None:
        """The first value of a header."""
        values = self._every.get(name)
        return values[0] if values else None


class Reply(Value):
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    typed: bool = False
    """The headers say what the body is. Else it is JSON."""


class Rejected(Exception):
    """The exchange ends here, with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Exchange(Protocol):
    """Either `reply` once, or `start` and then `write` until `last`."""

    @property
    def head(self) -> Head: ...

    @property
    def task(self) -> asyncio.Task[Any] | None:
        """What serves it."""
        ...

    @property
    def certificate(self) -> bytes:
        """The client's, in DER; empty where the connection has none. Of this very connection: two may send
        the same head."""
        ...

    @property
    def whole(self) -> bytes | None:
        """The request's body, where it is there already."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The request's body as it arrives. Raises `Gone`."""
        ...

    async def reply(self, reply: Reply) -> None: ...

    def put(self, body: bytes) -> bool:
        """The same for JSON with status 200, where nothing has to be waited for. False: nothing of it is written."""
        ...

    async def start(self, headers: Sequence[Header]) -> None:
        """Begin an answer of status 200 that is written piece by piece."""
        ...

    async def write(self, *pieces: bytes, last: bool = False) -> None:
        """Returns when the connection has room again: a slow reader slows its writer."""
        ...

    def add(self, pieces: Sequence[bytes], last: bool = False) -> bool:
        """The same, where nothing has to be waited for and somebody reads. False: nothing of it is written."""
        ...

    def cut(self) -> None:
        """End the connection in the middle of an answer, so that nobody takes it for a whole one."""
        ...

    def watch(self, told: Callable[[], None] | None) -> None:
        """Call this, in a turn of its own or in this one, when the other side is gone; None: nobody any more.
        Only after the body has been read."""
        ...

    def gone(self) -> asyncio.Future[None]:
        """Done when the other side is gone. Only after the body has been read; cancel it when done with."""
        ...
