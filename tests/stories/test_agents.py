"""An agent that lies sends exactly what its trick says, and what comes back is read as it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import pytest

from gateway.stories.agents import Caller, Heard
from gateway.stories.story import AgentPlan, Trick

RESULT = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}'


class Ear:
    """A server that keeps the one request it got, and gives the answer it was told to give."""

    def __init__(self, body: str, kind: str = "application/json", status: str = "200 OK") -> None:
        self._answer = (
            f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nwww-authenticate: Bearer\r\n"
            f"content-length: {len(body.encode())}\r\nconnection: close\r\n\r\n{body}"
        ).encode()
        self.headers: list[tuple[str, bytes]] = []
        self.body = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b": ")
            self.headers.append((name.decode().lower(), value))
        self.body = await reader.readexactly(int(self.header("content-length") or b"0"))
        writer.write(self._answer)
        await writer.drain()
        writer.close()

    def header(self, name: str) -> bytes | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1
        return values[0] if values else None


async def said(ear: Ear, trick: Trick) -> Heard:
    with anyio.fail_after(20):
        server = await asyncio.start_server(ear.serve, "127.0.0.1", 0)
        async with server:
            host, port = server.sockets[0].getsockname()
            caller = Caller("liar", AgentPlan(), f"http://{host}:{port}/data/mcp", "t0k3n")
            return await caller.raw("git__git_reset", {"repo_path": "/r"}, trick)


async def test_without_a_trick_it_would_be_an_honest_request() -> None:
    ear = Ear(RESULT)
    heard = await said(ear, Trick(meta={}))
    message = json.loads(ear.body)
    assert message["params"]["name"] == "git__git_reset"
    assert message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert ear.header("authorization") == b"Bearer t0k3n"
    assert ear.header("mcp-name") == b"git__git_reset"
    assert heard == Heard("done", 200)


async def test_a_header_replaces_the_honest_one_whatever_its_case() -> None:
    ear = Ear(RESULT)
    await said(ear, Trick(headers={"MCP-Name": "git__gît", "X-Tier": "data"}))
    assert ear.header("mcp-name") == "git__gît".encode()
    assert ear.header("x-tier") == b"data"


async def test_no_token_means_no_header_at_all() -> None:
    ear = Ear(RESULT)
    await said(ear, Trick(no_token=True))
    assert ear.header("authorization") is None


async def test_a_body_is_sent_as_it_stands() -> None:
    ear = Ear(RESULT)
    await said(ear, Trick(body='{"a": 1, "a": 2}'))
    assert ear.body == b'{"a": 1, "a": 2}'


async def test_meta_is_put_beside_the_protocols_own() -> None:
    ear = Ear(RESULT)
    await said(ear, Trick(meta={"tier": "data"}))
    meta: dict[str, Any] = json.loads(ear.body)["params"]["_meta"]
    assert meta["tier"] == "data"
    assert len(meta) == 4


ERROR = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":{"reason":"x"}}}'


@pytest.mark.parametrize(
    ("ear", "heard"),
    [
        (
            Ear(ERROR, status="400 Bad Request"),
            Heard("no (-32602)", 400, {"code": -32602, "message": "no", "data": {"reason": "x"}}),
        ),
        (Ear(f"event: message\ndata: {RESULT}\n\n", "text/event-stream"), Heard("done", 200)),
        (Ear("", status="401 Unauthorized"), Heard("Bearer", 401)),
        (Ear("<html>", "text/html", "502 Bad Gateway"), Heard("Bearer", 502)),
        (
            Ear(RESULT.replace('"content"', '"isError":true,"content"')),
            Heard("done", 200, is_error=True),
        ),
    ],
)
async def test_an_answer_is_read_as_it_is(ear: Ear, heard: Heard) -> None:
    assert await said(ear, Trick(no_token=True)) == heard
