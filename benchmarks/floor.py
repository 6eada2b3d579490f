"""The least a relay in Python can cost: both HTTP legs on httptools, one JSON parse, pooled connections.

    python -m benchmarks.floor PORT      relays to that port of this machine; prints its own port

Nothing else: no identity, no policy, no limits, no record.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import httptools
import uvloop
from pydantic_core import from_json, to_json


class Leg(asyncio.Protocol):
    """A connection to the tool server: one request at a time, its answer's bytes passed on."""

    def __init__(self, idle: list[Leg]) -> None:
        self._idle = idle
        self._parser = httptools.HttpResponseParser(self)
        self._agent: Agent | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, request: bytes, agent: Agent) -> None:
        self._agent = agent
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        assert self._agent is not None
        self._agent.transport.write(data)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._agent = None
        self._idle.append(self)


class Agent(asyncio.Protocol):
    """A connection to an agent."""

    def __init__(self, port: int, idle: list[Leg]) -> None:
        self._port = port
        self._idle = idle
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body = to_json(from_json(self._body))
        lines = b"".join(
            b"%b: %b\r\n" % header
            for header in self._headers
            if header[0] not in (b"content-length", b"authorization")
        )
        head = b"POST /mcp HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n" % (lines, len(body))
        request = head + body
        if self._idle:
            self._idle.pop().send(request, self)
        else:
            self._connecting = asyncio.ensure_future(self._connect(request))

    async def _connect(self, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, leg = await loop.create_connection(lambda: Leg(self._idle), "127.0.0.1", self._port)
        leg.send(request, self)


async def floor(port: int) -> None:
    """Relay until killed."""
    idle: list[Leg] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Agent(port, idle), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(floor(int(sys.argv[1])))
