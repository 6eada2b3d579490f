"""One request has one end for everybody: what hides behind it is never read as another."""

from __future__ import annotations

import asyncio

import pytest

from tests.clock import ahead
from tests.wire.agents.house import RememberingGate, serving
from tests.wire.agents.raw import connection, stateless

HEAD = "POST /mcp HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nAccept: */*\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def _hidden(host: str) -> bytes:
    """A whole request of Alice's, that nobody sent."""
    headers, body = stateless()
    lines = [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(["POST /mcp HTTP/1.1", f"Host: {host}", *lines])
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "start",
    [
        f"{HEAD}Content-Length: 4\r\n{CHUNKED}\r\n0\r\n\r\n",
        f"{HEAD}{CHUNKED}Content-Length: 4\r\n\r\n0\r\n\r\n",
        f"{HEAD}{CHUNKED}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        f"{HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        f"{HEAD}Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
        f"{HEAD}Content-Length: +0\r\n\r\n",
        f"{HEAD}Content-Length: 0, 5\r\n\r\n",
        f"{HEAD}Content-Length: -1\r\n\r\n",
        f"{HEAD}Content-Length : 0\r\n\r\n",
        f"{HEAD}X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        f"{HEAD}X: a\0b\r\nContent-Length: 0\r\n\r\n",
        f"{HEAD}X: a\rY: b\r\nContent-Length: 0\r\n\r\n",
        HEAD.replace("\r\n", "\n") + "Content-Length: 0\n\n",
        HEAD.replace("HTTP/1.1", "HTTP/1.0") + "Content-Length: 0\r\n\r\n",
        HEAD.replace("HTTP/1.1", "HTTP/2.0") + "Content-Length: 0\r\n\r\n",
        HEAD.replace("HTTP/1.1", "") + "Content-Length: 0\r\n\r\n",
        HEAD.replace("POST", "CONNECT") + "\r\n",
    ],
)
@pytest.mark.parametrize("known", [0, 2])
async def test_what_hides_behind_a_doubtful_end_is_never_served(
    start: str, known: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also not on a connection on which the hidden request's head has been read before."""
    gate = RememberingGate()
    async with serving(gate) as place, connection(place) as line, asyncio.timeout(20):
        host = f"{place.host}:{place.port}"
        for _ in range(known):
            line.writer.write(_hidden(host))
            assert (await line.reply()).status == 200
        line.writer.write(start.replace("HOST", host).encode() + _hidden(host))
        said = await line.reader.readuntil(b"\r\n\r\n")
        ahead(6)  # an idle connection is kept for five seconds
        said += await line.reader.read()
    assert said.count(b"HTTP/1.1 ") == 1
    assert len(gate.requests) == known
    assert not [line for line in caplog.records if line.name.startswith("uvicorn")]


@pytest.mark.parametrize("way", ["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk", "Upgrade: websocket"])
async def test_no_upgrade_opens_another_protocol(way: str) -> None:
    gate = RememberingGate()
    async with serving(gate) as place, connection(place) as line, asyncio.timeout(20):
        host = f"{place.host}:{place.port}"
        start = HEAD.replace("HOST", host)
        line.writer.write(
            f"{start}Connection: Upgrade\r\n{way}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        reply = await line.reply()
    assert reply.status == 401
    assert gate.requests == []
