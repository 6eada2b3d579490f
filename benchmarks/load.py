"""A light load client: so many connections, each asking again as soon as it has its answer.

It frames HTTP and reads nothing else of an answer than that it is no error, and how many notifications of
progress came with it. Requests are bytes made once, and an answer that is byte for byte the last one is
taken as it is, so what is measured is the other side.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pydantic_core import to_json

from benchmarks.fixture import STATELESS

JSON = dict[str, Any]
ENVELOPE: Final[JSON] = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
PROGRESS: Final = b"notifications/progress"
ERRORS: Final = (b'"error":{', b'"isError":true', b'"isError": true')


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and what each carries besides its body."""

    port: int
    path: str
    headers: tuple[tuple[str, str], ...] = ()

    def post(self, body: JSON, *more: tuple[str, str]) -> bytes:
        """One POST as it goes over the wire."""
        content = to_json(body)
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            "content-type: application/json",
            "accept: application/json, text/event-stream",
            f"content-length: {len(content)}",
            *(f"{name}: {value}" for name, value in (*self.headers, *more)),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def stateless(target: Target, method: str, params: JSON, id: int = 1) -> bytes:
    """One request of the stateless era. `params` may have a `_meta` of its own."""
    params = {**params, "_meta": {**ENVELOPE, **params.get("_meta", {})}}
    named = (("mcp-name", params["name"]),) if "name" in params else ()
    version = ("mcp-protocol-version", STATELESS)
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return target.post(body, version, ("mcp-method", method), *named)


@dataclass(frozen=True, slots=True)
class Measured:
    """One round. Times in microseconds."""

    calls: int
    seconds: float
    p50: float
    p99: float
    first_byte: float
    """Median."""
    bytes_each: float
    told_each: float
    """Notifications of progress."""

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


class Failed(AssertionError):
    """An answer that is not the one expected: nothing is measured by it."""


class _Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again."""

    def __init__(self, request: bytes, until: float) -> None:
        self._request = request
        self._until = until
        self.times: list[float] = []
        self.first: list[float] = []
        self.size = 0
        self.told = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began = 0.0
        self._left = -1
        """Bytes of the answer still to come; -1 before its head, -2 when it is chunked."""
        self._events = False
        """It is an event stream."""
        self._held = b""
        self._last = b""
        """The last answer that came in one piece, with a length: it was a good one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(Failed(f"the connection was closed: {exc}"))

    def _ask(self) -> None:
        self._left, self._held = -1, b""
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.size += len(data)
        if self._left == -1:
            if not self._held:
                self.first.append(time.perf_counter() - self._began)
                if data == self._last:
                    self._answered()
                    return
            self._held += data
            self._head()
        elif self._left == -2:
            self._keep(data)
        else:
            self._left -= len(data)
        if self._left == 0 or (self._left == -2 and self._held.endswith(b"\r\n0\r\n\r\n")):
            self._answered()

    def _keep(self, data: bytes) -> None:
        """The end of what came, for the end of the answer; notifications are counted on the way, where there can
        be some: looking through all of a large answer would be measured with it."""
        if not self._events:
            self._held = self._held[-64:] + data if len(data) < 64 else data[-64:]
            return
        window = self._held[-(len(PROGRESS) - 1) :] + data
        self.told += window.count(PROGRESS)
        self._held = window[-64:]

    def _head(self) -> None:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head, start = self._held[:end].lower(), self._held[end : end + 400]
        if not head.startswith(b"http/1.1 200") or any(error in start for error in ERRORS):
            self._fail()
            return
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        self._left = int(length) - (len(self._held) - end - 4) if length else -2
        if self._left == -2:
            self._events = b"text/event-stream" in head
            self.told += self._held.count(PROGRESS)
        elif self._left == 0:
            self._last = self._held

    def _fail(self) -> None:
        if not self.over.done():
            self.over.set_exception(Failed(self._held[:600].decode(errors="replace")))
        self._transport.abort()

    def _answered(self) -> None:
        now = time.perf_counter()
        self.times.append(now - self._began)
        if now < self._until:
            self._ask()
        elif not self.over.done():
            self.over.set_result(None)
            self._transport.close()


async def drive(port: int, requests: Sequence[bytes], seconds: float) -> Measured:
    """One connection for each of these requests, asking for so many seconds. Raises `Failed`."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    until = began + seconds
    made = [
        await loop.create_connection(partial(_Connection, request, until), "127.0.0.1", port)
        for request in requests
    ]
    connections = [connection for _, connection in made]
    await asyncio.gather(*(connection.over for connection in connections))
    took = time.perf_counter() - began
    times = sorted(one for connection in connections for one in connection.times)
    first = [one for connection in connections for one in connection.first]
    return Measured(
        calls=len(times),
        seconds=took,
        p50=times[len(times) // 2] * 1e6,
        p99=times[min(len(times) - 1, len(times) * 99 // 100)] * 1e6,
        first_byte=statistics.median(first) * 1e6,
        bytes_each=sum(connection.size for connection in connections) / len(times),
        told_each=sum(connection.told for connection in connections) / len(times),
    )
