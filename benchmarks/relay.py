"""What a small call costs the gateway in CPU, beside the least a Python relay can cost. One core for all.

    python -m benchmarks.relay [--rounds 5] [--seconds 1] [--connections 1 16 64] [--json]

Rows: direct; floor (both HTTP legs on httptools, one JSON parse, pooled connections, nothing else: no
identity, no policy, no record); the gateway without its journal; the gateway; the gateway with a budget
that each call is taken from. All stand at once, pinned to one core with their load, and take turns round
by round. CPU is user and system time of the process measured, from the operating system, by call; medians
over rounds. Read the ratios: the microseconds are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httptools
import psutil
import uvloop
from pydantic_core import from_json, to_json

from benchmarks.load import Target, drive, stateless
from gateway.core.model import Endpoint
from tests.system.home import Home, everybody, one_tier, wait_until_ready

SERVER: Final = "fixture"
INTENTS: Final = json.dumps(
    {
        "intents": {
            "general": {
                "tells": "All.",
                "tiers": ["data"],
                "tools": [f"{SERVER}/*"],
                "seconds": 3600,
            }
        }
    }
)
"""So that a grant can be given."""


class Leg(asyncio.Protocol):
    """The floor's connection to the tool server: one request at a time, its answer's bytes passed on."""

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
    """The floor's connection to an agent."""

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
    """The bare relay, until killed; prints its port."""
    idle: list[Leg] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Agent(port, idle), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def unjournaled(config: str) -> None:
    """`bulkhead serve` on a journal that takes every line at its word."""
    from gateway.__main__ import main
    from gateway.core.record import Line
    from gateway.journals.entry import Entry
    from gateway.journals.sqlite import SqliteJournal

    def append(journal: SqliteJournal, line: Line, claims: object = ()) -> Entry:
        entry = Entry(line, b"", None)
        entry.settle(1)
        return entry

    SqliteJournal.append = append  # type: ignore[method-assign, assignment]
    sys.argv = ["bulkhead", "serve", "--config", config]
    main()


@dataclass(frozen=True, slots=True)
class Row:
    """One way, at one number of connections: medians over rounds."""

    way: str
    connections: int
    cpu_us: float
    times_floor: float
    p50_us: float
    p99_us: float
    calls_per_second: int


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    process: psutil.Process
    port: int
    request: bytes

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def started(*words: str) -> Iterator[tuple[int, psutil.Process]]:
    """A process of this file's or the fixture, and the port it printed."""
    process = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def serving(home: Home, *words: str) -> Iterator[psutil.Process]:
    """A gateway as a process."""
    log = home.root / "serve.log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=Path.cwd())
    try:
        wait_until_ready(home.origin, process, log)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def call(port: int, path: str, home: Home | None = None) -> bytes:
    """One small call."""
    headers: tuple[tuple[str, str], ...] = ()
    if home is not None:
        token = home.mint("tester", Endpoint("server", server=SERVER))
        headers = (("authorization", f"Bearer {token}"),)
    params = {"name": "echo", "arguments": {"text": "x" * 200}}
    return stateless(Target(port, path, headers), "tools/call", params)


@contextmanager
def ways() -> Iterator[list[Way]]:
    """All that is measured, standing."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, fixture = stack.enter_context(started("benchmarks.fixture"))
        floor_port, bare = stack.enter_context(started("benchmarks.relay", "--floor", str(port)))
        found = [
            Way("direct", fixture, port, call(port, "/mcp")),
            Way("floor", bare, floor_port, call(floor_port, "/mcp")),
        ]
        for name in ("no journal", "gateway", "with a grant"):
            home = Home.make(
                root / name.replace(" ", "-"),
                {SERVER: {"url": f"http://127.0.0.1:{port}/mcp"}},
                policy=everybody([("data", SERVER)]),
                tiers=one_tier(SERVER),
                intents=INTENTS if name == "with a grant" else "",
            )
            home.approve(SERVER)
            words = ["gateway", "serve", "--config", str(home.config)]
            if name == "no journal":
                words = ["benchmarks.relay", "--unjournaled", str(home.config)]
            process = stack.enter_context(serving(home, *words))
            if name == "with a grant":
                home.grant("tester", "--tool", f"{SERVER}/echo", "--uses", str(2**40))
            found.append(
                Way(name, process, home.port, call(home.port, f"/servers/{SERVER}/mcp", home))
            )
        yield found


def measure(connections: Sequence[int], rounds: int, seconds: float) -> list[Row]:
    rows = []
    with ways() as all_ways:
        for count in connections:
            seen: dict[str, list[tuple[float, ...]]] = {way.name: [] for way in all_ways}
            for number in range(rounds + 1):
                for way in all_ways:
                    before = way.cpu()
                    took = uvloop.run(drive(way.port, [way.request] * count, seconds))
                    cpu = (way.cpu() - before) / took.calls * 1e6
                    if number:  # the first is to warm up
                        seen[way.name].append((cpu, took.p50, took.p99, took.per_second))
            medians = {
                name: [statistics.median(column) for column in zip(*each, strict=True)]
                for name, each in seen.items()
            }
            for name, (cpu, p50, p99, per_second) in medians.items():
                times = cpu / medians["floor"][0]
                rows.append(
                    Row(
                        name,
                        count,
                        round(cpu, 1),
                        round(times, 2),
                        round(p50),
                        round(p99),
                        round(per_second),
                    )
                )
    return rows


def table(rows: Sequence[Row]) -> str:
    lines = [
        "| way | connections | CPU us a call | of the floor | p50 us | p99 us | calls/s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += ["| " + " | ".join(map(str, asdict(row).values())) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--floor", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--unjournaled", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.floor:
        uvloop.run(floor(given.floor))
    elif given.unjournaled:
        unjournaled(given.unjournaled)
    else:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        rows = measure(given.connections, given.rounds, given.seconds)
        print(json.dumps([asdict(row) for row in rows]) if given.json else table(rows))


if __name__ == "__main__":
    main()
