"""A thousand agents that opened a session and say nothing cost little memory, and their number is bounded."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from gateway.core.model import Endpoint
from gateway.stories.stage import free_port
from tests.conformance.cell import process
from tests.system.home import Home, Serving, everybody, one_tier
from tests.system.raw import INITIALIZED, SESSIONS, greeting

SESSIONS_OPEN: Final = 1_000
MOST_MIB: Final = 50
OWN = Endpoint("server", server="every")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    port = free_port()
    words = ["tests.conformance.vendor", "--port", str(port), "--era", "sessions"]
    with process(words, port, tmp_path / "fixture.log"):
        home = Home.make(
            tmp_path / "home",
            {"every": {"url": f"http://127.0.0.1:{port}/mcp"}},
            policy=everybody([("data", "every")]),
            tiers=one_tier("every"),
        )
        home.approve("every")
        with home.serving() as serving:
            yield serving


class Idler:
    """One agent, one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._session = ""

    async def open(self) -> None:
        """Greet, and listen to the session's own stream from then on."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        head = await self._say("POST", json.dumps(greeting()))
        [line] = [one for one in head.split("\r\n") if one.lower().startswith("mcp-session-id")]
        self._session = f"{line}\r\nmcp-protocol-version: {SESSIONS}\r\n"
        await self._say("POST", json.dumps(INITIALIZED))
        assert "200 OK" in await self._say("GET")

    def close(self) -> None:
        self._writer.close()

    async def _say(self, method: str, body: str = "") -> str:
        self._writer.write(
            f"{method} {OWN.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"authorization: Bearer {self._token}\r\n{self._session}"
            "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
        await self._reader.readexactly(int(length or 0))
        return head


async def test_a_thousand_idle_sessions_cost_under_50_mib(serving: Serving) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096), hard))
    token = serving.home.mint("tester", OWN)
    gateway = psutil.Process(serving.process.pid)
    idlers = [Idler(serving.home.port, token) for _ in range(SESSIONS_OPEN)]
    async with asyncio.timeout(60):
        await idlers[0].open()
        before = gateway.memory_info().rss
        for start in range(1, SESSIONS_OPEN, 50):
            await asyncio.gather(*(one.open() for one in idlers[start : start + 50]))
        after = gateway.memory_info().rss
    for one in idlers:
        one.close()
    assert after - before < MOST_MIB * 2**20
