"""HTTP by hand: what no well-behaved client would send, and every byte that comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.core.model import JsonObject
from tests.wire.agents.house import ALICE, Place

VERSION = "2026-07-28"
META: JsonObject = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}
BOTH = "application/json, text/event-stream"
Headers = Sequence[tuple[str, str]]


@dataclass
class Reply:
    """One response, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> JsonObject:
        error: JsonObject = self.json["error"]
        return error

    @property
    def events(self) -> list[JsonObject]:
        """The messages of an event stream."""
        return [
            json.loads(line[6:])
            for line in self.body.decode().splitlines()
            if line.startswith("data: {")
        ]


class Connection:
    """One TCP connection, keep-alive."""

    def __init__(self, place: Place, reader: Any, writer: asyncio.StreamWriter) -> None:
        self._place = place
        self.reader: asyncio.StreamReader = reader
        self.writer = writer

    async def send(
        self, method: str = "POST", path: str = "/mcp", headers: Headers = (), body: bytes = b""
    ) -> None:
        """A request as it is given; Host only if it is not among the headers."""
        lines = [f"{method} {path} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in headers):
            lines.append(f"Host: {self._place.host}:{self._place.port}")
        lines += [f"{name}: {value}" for name, value in headers]
        self.writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        await self.writer.drain()

    async def head(self) -> Reply:
        """Status and headers of the next response."""
        first = (await self.reader.readline()).split()
        headers: dict[str, str] = {}
        while (line := await self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(first[1]), headers, b"")

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at the end."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readline()
        return data

    async def event(self) -> JsonObject:
        """The next message of an open event stream."""
        while True:
            for line in (await self.chunk()).decode().splitlines():
                if line.startswith("data: {"):
                    message: JsonObject = json.loads(line[6:])
                    return message

    async def reply(self) -> Reply:
        """The whole next response."""
        reply = await self.head()
        if "content-length" in reply.headers:
            reply.body = await self.reader.readexactly(int(reply.headers["content-length"]))
        elif reply.headers.get("transfer-encoding") == "chunked":
            while part := await self.chunk():
                reply.body += part
        return reply

    def hang_up(self) -> None:
        """Close without a word."""
        self.writer.transport.abort()


@asynccontextmanager
async def connection(place: Place) -> AsyncIterator[Connection]:
    """A connection to the wire."""
    reader, writer = await asyncio.open_connection(place.host, place.port, limit=2**27)
    try:
        yield Connection(place, reader, writer)
    finally:
        writer.transport.abort()


def headers(body: bytes, changes: dict[str, str | None] | None = None) -> list[tuple[str, str]]:
    """What a well-behaved client sends, but for the changes (None: left out)."""
    named: dict[str, str | None] = {
        **ALICE,
        "content-type": "application/json",
        "accept": BOTH,
        "content-length": str(len(body)),
        **(changes or {}),
    }
    return [(name, value) for name, value in named.items() if value is not None]


def stateless(
    method: str = "tools/call", params: JsonObject | None = None, **changes: str | None
) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a well-formed stateless request; `changes` by header name with underscores."""
    params = {"name": "echo", "arguments": {}} if params is None else params
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, **params}}
    body = json.dumps(message).encode()
    named: dict[str, str | None] = {"mcp-protocol-version": VERSION, "mcp-method": method}
    if method == "tools/call":
        named["mcp-name"] = params.get("name")
    named |= {name.replace("_", "-"): value for name, value in changes.items()}
    return headers(body, named), body


async def post(
    place: Place,
    body: bytes,
    given: Headers | None = None,
    *,
    more: Headers = (),
    path: str = "/mcp",
) -> Reply:
    """One POST on a connection of its own."""
    async with connection(place) as line:
        await line.send("POST", path, [*(given or headers(body)), *more], body)
        return await line.reply()


async def call(
    place: Place,
    method: str = "tools/call",
    params: JsonObject | None = None,
    *,
    more: Headers = (),
    **changes: str | None,
) -> Reply:
    """One stateless request on a connection of its own."""
    given, body = stateless(method, params, **changes)
    return await post(place, body, given, more=more)


class Speaker:
    """A session by hand."""

    def __init__(self, place: Place, version: str, who: dict[str, str], path: str = "/mcp") -> None:
        self.place = place
        self.path = path
        self.version = version
        self.who = who
        self.id = ""

    def given(self, body: bytes, **changes: str | None) -> list[tuple[str, str]]:
        """The headers of this session's requests."""
        named: dict[str, str | None] = {
            **self.who,
            "mcp-protocol-version": self.version,
            "mcp-session-id": self.id or None,
        }
        named |= {name.replace("_", "-"): value for name, value in changes.items()}
        return headers(body, named)

    async def post(self, message: Any, **changes: str | None) -> Reply:
        """One message on a connection of its own."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        return await post(self.place, body, self.given(body, **changes), path=self.path)

    async def call(self, id: Any, name: str, **arguments: Any) -> Reply:
        """One tool call."""
        params = {"name": name, "arguments": arguments}
        return await self.post({"id": id, "method": "tools/call", "params": params})

    async def start(self, line: Connection, id: Any, name: str, **arguments: Any) -> None:
        """One tool call on a connection the caller keeps."""
        params = {"name": name, "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
        body = json.dumps(message).encode()
        await line.send(headers=self.given(body), body=body)

    async def get(self, line: Connection, **changes: str | None) -> Reply:
        """GET on a connection the caller keeps; the head of the answer."""
        changes = {"content_length": None, "content_type": None, **changes}
        await line.send("GET", headers=self.given(b"", **changes))
        return await line.head()

    async def delete(self) -> Reply:
        """End the session."""
        async with connection(self.place) as line:
            await line.send("DELETE", headers=self.given(b"", content_length=None))
            return await line.reply()


def initialize(version: str = "2025-11-25", **capabilities: Any) -> JsonObject:
    """The message that opens a session."""
    params = {
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": {"name": "by hand", "version": "0"},
    }
    return {"id": 0, "method": "initialize", "params": params}


async def session(
    place: Place,
    version: str = "2025-11-25",
    who: dict[str, str] | None = None,
    path: str = "/mcp",
    **capabilities: Any,
) -> Speaker:
    """An open session."""
    speaker = Speaker(place, version, who or ALICE, path)
    reply = await speaker.post(initialize(version, **capabilities), mcp_protocol_version=None)
    assert reply.status == 200, reply.body
    speaker.id = reply.headers["mcp-session-id"]
    return speaker
