"""A TCP server that says exactly the bytes a test gives it, and remembers exactly what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    head: str
    body: bytes

    @property
    def rpc(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body) if self.body else {}
        return value


@dataclass
class Wire:
    """What a script works with: one request and the pen to answer it."""

    request: Received
    writer: asyncio.StreamWriter
    connection: int
    """Which connection this is, from 0."""

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, result: dict[str, Any]) -> None:
        await self.json({"jsonrpc": "2.0", "id": self.request.rpc.get("id"), "result": result})

    async def json(self, message: Any, status: str = "200 OK") -> None:
        body = json.dumps(message).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        await self.say(head.encode() + b"\r\n\r\n" + body)

    async def stream(self) -> None:
        """The head of an event stream without framing: it ends with the connection."""
        await self.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")

    def event(self, result: dict[str, Any], id: Any = None) -> bytes:
        message = {"jsonrpc": "2.0", "id": id or self.request.rpc["id"], "result": result}
        return b"data: " + json.dumps(message).encode() + b"\n\n"

    def close(self) -> None:
        self.writer.close()


Script = Callable[[Wire], Awaitable[None]]


@dataclass
class Heard:
    """What came in, over all connections."""

    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection was closed from the other side."""

    def methods(self) -> list[str]:
        return [request.rpc.get("method", "") for request in self.requests]


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[tuple[str, Heard]]:
    """The URL of a server that runs `script` for every request."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = heard.connections
        heard.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                heard.requests.append(request)
                await script(Wire(request, writer, number))
            heard.ended.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            heard.ended.set()
        finally:
            writer.close()

    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/mcp", heard
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    length = 0
    for line in head.split("\r\n"):
        if line.lower().startswith("content-length:"):
            length = int(line.partition(":")[2])
    return Received(head, await reader.readexactly(length))
