"""Results larger than anybody wants to hold: they pass through, and the gateway's memory does not notice.

Every way is measured as a real process with Linux's own word for its peak (VmHWM). The reader is raw and
holds a piece at a time.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import httpx2
import psutil
import pytest
from anyio.from_thread import start_blocking_portal

from gateway.core.model import Endpoint
from tests.faults.test_floods import forget_peak, peak
from tests.servers.http_raw import Wire, raw_server
from tests.system.client import ERAS, Era
from tests.system.home import Home, Serving, everybody
from tests.system.raw import JSON, SESSIONS, STATELESS, bare, enveloped, greeting, headers_for

MIB: Final = 1024 * 1024
PIECE: Final = b"~" * MIB
MOST: Final = 16 * MIB
SERVERS: Final = ("stateless", "sessions")
TOOLS: Final = ("json", "events", "stalls", "breaks", "lies", "fails", "halts")
SCHEMA: Final = {"type": "object", "properties": {"mib": {"type": "integer"}}}
TIERS: Final = "servers:\n" + "".join(
    f'  {name}:\n    tools:\n      "*": {{tier: data, effect: read}}\n' for name in SERVERS
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are told by Linux only"
)


@dataclass
class Big:
    """A tool server of one era whose results are as large as they are asked to be."""

    era: str
    sent: Counter[tuple[str, int]] = field(default_factory=Counter)
    """MiB of text written so far, by tool and how much was asked for."""
    go: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, wire: Wire) -> None:
        rpc = wire.request.rpc
        method = rpc.get("method")
        if method == "tools/call":
            await self.result(wire, rpc["params"]["name"], rpc["params"]["arguments"]["mib"])
        elif "id" not in rpc:
            await wire.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        elif method == "tools/list":
            await wire.answer({"tools": [{"name": n, "inputSchema": SCHEMA} for n in TOOLS]})
        elif method == "server/discover" and self.era == "stateless":
            await wire.answer({"supportedVersions": [STATELESS], "capabilities": {"tools": {}}})
        elif method == "initialize":
            about = {"protocolVersion": SESSIONS, "capabilities": {"tools": {}}}
            await wire.answer({**about, "serverInfo": {"name": "big", "version": "1"}})
        else:
            error = {"code": -32601, "message": "no"}
            await wire.json({"jsonrpc": "2.0", "id": rpc["id"], "error": error})

    async def result(self, wire: Wire, tool: str, mib: int) -> None:
        events = tool == "events"
        kind = "text/event-stream" if events else "application/json"
        await wire.say(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        await wire.say(b"data: " if events else b"")
        await wire.say(b'{"result":{"content":[{"type":"text","text":"')
        for number in range(mib):
            self.sent[tool, mib] = number + 1
            await wire.say(PIECE)
            if tool == "halts" and number == 3:
                await asyncio.to_thread(self.go.wait, 60)
        if tool != "breaks":
            failed = b',"isError":true' if tool == "fails" else b""
            typed = b',"resultType":"complete"' if self.era == "stateless" else b""
            end = b"]" if tool == "lies" else b"}"
            id = json.dumps(wire.request.rpc["id"]).encode()
            await wire.say(b'"}]%b%b%b,"jsonrpc":"2.0","id":%b}' % (failed, typed, end, id))
        await wire.say(b"\n\n" if events else b"")
        wire.close()


@dataclass(frozen=True)
class There:
    serving: Serving
    big: dict[str, Big]

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.serving.process.pid)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    big = {era: Big(era) for era in SERVERS}
    with start_blocking_portal() as portal:
        first = portal.wrap_async_context_manager(raw_server(big["stateless"]))
        second = portal.wrap_async_context_manager(raw_server(big["sessions"]))
        with first as (url, _), second as (other, _):
            home = Home.make(
                tmp_path_factory.mktemp("large") / "home",
                {"stateless": {"url": url}, "sessions": {"url": other}},
                policy=everybody([("data", name) for name in SERVERS]),
                tiers=TIERS,
            )
            home.approve(*SERVERS)
            with home.serving() as serving:
                yield There(serving, big)


@dataclass
class Read:
    """What an agent got of one answer: how much text, and the answer without it."""

    text: int = 0
    around: bytes = b""
    whole: bool = True
    """The body came to its end."""

    def take(self, piece: bytes) -> None:
        rest = piece.replace(b"~", b"")
        self.text += len(piece) - len(rest)
        self.around += rest

    @property
    def answer(self) -> JSON:
        """Of an event stream, the last event."""
        answer: JSON = json.loads(self.around.strip().rpartition(b"data: ")[2])
        return answer


class Agent:
    """A raw agent that reads an answer piece by piece, or not at all."""

    def __init__(self, there: There, server: str, era: Era) -> None:
        home = there.serving.home
        self._url = f"{home.origin}/servers/{server}/mcp"
        self._token = home.mint("tester", Endpoint("server", server=server))
        self._era: Era = era
        self._session: dict[str, str] = {}

    @asynccontextmanager
    async def calling(self, tool: str, mib: int) -> AsyncIterator[httpx2.Response]:
        """The answer, of which nothing but the head has been read."""
        params: JSON = {"name": tool, "arguments": {"mib": mib}}
        async with httpx2.AsyncClient(timeout=60) as http:
            if self._era != STATELESS and not self._session:
                opened = await http.post(
                    self._url, json=greeting(), headers=self._headers("initialize", {})
                )
                self._session = {"mcp-session-id": opened.headers["mcp-session-id"]}
            make = enveloped if self._era == STATELESS else bare
            headers = self._headers("tools/call", params) | self._session
            body = make("tools/call", params, 7)
            async with http.stream("POST", self._url, json=body, headers=headers) as response:
                yield response

    async def call(self, tool: str, mib: int) -> Read:
        read = Read()
        with anyio.fail_after(60):
            async with self.calling(tool, mib) as response:
                try:
                    async for piece in response.aiter_bytes():
                        read.take(piece)
                except httpx2.RemoteProtocolError:
                    read.whole = False
        return read

    def _headers(self, method: str, params: JSON) -> dict[str, str]:
        return headers_for(self._token, self._era, method, params)


def kinds(there: There) -> list[str]:
    """What the journal says came of the last calls, newest first."""
    return [call["state"] for call in there.serving.home.calls()]


EVERY_WAY: Final = [
    (server, era, ("json", "events")[(row + column) % 2])
    for row, server in enumerate(SERVERS)
    for column, era in enumerate(ERAS)
]


@pytest.mark.parametrize(("server", "era", "tool"), EVERY_WAY)
async def test_64_mib_pass_through_and_are_not_held(
    there: There, server: str, era: Era, tool: str
) -> None:
    agent = Agent(there, server, era)
    await agent.call(tool, 1)
    before = forget_peak(there.process)
    read = await agent.call(tool, 64)
    grown = peak(there.process) - before
    assert (read.text, read.whole) == (64 * MIB, True)
    typed = {"resultType": "complete"} if era == STATELESS else {}
    result = {"content": [{"type": "text", "text": ""}], **typed}
    assert read.answer == {"jsonrpc": "2.0", "id": 7, "result": result}
    assert grown < MOST
    assert kinds(there)[0] == "applied"


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("server", SERVERS)
async def test_a_reader_that_stalls_stalls_its_server_and_grows_nothing(
    there: There, server: str, era: Era
) -> None:
    agent, much = Agent(there, server, era), 64 + ERAS.index(era)
    before = forget_peak(there.process)
    with anyio.fail_after(60):
        async with agent.calling("stalls", much):
            sent = -1
            while sent != (sent := there.big[server].sent["stalls", much]) or not sent:
                await asyncio.sleep(0.3)  # until nothing moves any more
    assert sent < 32
    assert peak(there.process) - before < MOST


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("server", "tool"), [("stateless", "breaks"), ("sessions", "lies")])
async def test_what_breaks_on_the_way_has_no_end_and_is_in_doubt(
    there: There, server: str, era: Era, tool: str
) -> None:
    read = await Agent(there, server, era).call(tool, 2)
    assert read.text > 0 and not read.whole
    assert kinds(there)[0] == "in_doubt"


@pytest.mark.parametrize("server", SERVERS)
async def test_a_failure_told_after_its_content_is_recorded_as_one(
    there: There, server: str
) -> None:
    read = await Agent(there, server, STATELESS).call("fails", 2)
    assert read.whole and read.answer["result"]["isError"] is True
    assert kinds(there)[0] == "failed"


async def test_the_first_byte_does_not_wait_for_the_last(there: There) -> None:
    """The server stops in the middle: what it sent by then has arrived."""
    read = Read()
    with anyio.fail_after(60):
        async with Agent(there, "stateless", STATELESS).calling("halts", 8) as response:
            async for piece in response.aiter_bytes():
                read.take(piece)
                if read.text >= 4 * MIB:
                    there.big["stateless"].go.set()
    assert read.whole and read.text == 8 * MIB
