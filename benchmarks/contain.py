"""From the fence to the last effect: 32 agents at work, stopped one by one and all at once.

    python -m benchmarks.contain [--agents 32] [--rounds 3] [--json]

A real gateway and a tool server over HTTP. Every agent has a call under way, which writes a line every
5 ms for as long as its connection stands; beside it 16 more make short calls without a pause, so that the
HTTP side is busy. Each agent is fenced in turn, as `bulkhead contain` does it first of all. `effect` is from
the start of the fence to the last line its call wrote; `withheld` to the agent's answer, a refusal; `all` is
one fence on everything. `check` is the next look of a caller at a fence it has not seen yet. `command` is
what `bulkhead contain --no-undo` takes as a process, start included, grants revoked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.hung_server import read_message
from benchmarks.load import Target, stateless
from benchmarks.stand import started
from gateway.core.fence import Caught, Fence
from gateway.core.model import Endpoint
from gateway.errors import Refused
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from tests.system.home import Home, intents

JSON = dict[str, Any]
TICK: Final = 0.005
BUSY: Final = 16
TARGET_MS: Final = 100.0
TIERS: Final = """
servers:
  tick:
    tools:
      work: {tier: data, effect: read}
      look: {tier: data, effect: read}
"""
INTENTS: Final = intents(["tick"])


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds."""

    what: str
    samples: int
    p50_ms: float
    p95_ms: float
    worst_ms: float


def cost(what: str, seconds: Sequence[float]) -> Cost:
    ordered = sorted(each * 1e3 for each in seconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1) + 0.5)]
    median = round(statistics.median(ordered), 2)
    return Cost(what, len(ordered), median, round(p95, 2), round(ordered[-1], 2))


# The tool server:


async def serve(place: Path) -> None:
    """Prints its port. `work` writes its name and the time until its connection is closed."""
    file = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = json.loads(await read_message(reader))
                params = message.get("params", {})
                if params.get("name") == "work":
                    await _tick(file, params["arguments"]["name"], reader)
                    return
                said = json.dumps(_answer(message)).encode()
                head = f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\n{head}".encode() + said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _tick(file: int, name: str, reader: asyncio.StreamReader) -> None:
    while not reader.at_eof():
        os.write(file, f"{name} {time.time_ns()}\n".encode())
        await asyncio.sleep(TICK)


def _answer(message: JSON) -> JSON:
    result: JSON = {"content": [], "resultType": "complete"}
    if message["method"] == "server/discover":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    elif message["method"] == "tools/list":
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        result = {"tools": [{"name": name, "inputSchema": schema} for name in ("look", "work")]}
    return {"jsonrpc": "2.0", "id": message.get("id"), "result": result}


# The agents:


async def call(home: Home, token: str, tool: str, name: str) -> JSON:
    """One call on a connection of its own."""
    params = {"name": f"tick__{tool}", "arguments": {"name": name}}
    place = Target(home.port, "/mcp", (("authorization", f"Bearer {token}"),))
    reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
    try:
        writer.write(stateless(place, "tools/call", params))
        answer: JSON = json.loads(await read_message(reader))
        return answer
    finally:
        writer.close()


async def keep_busy(home: Home, token: str) -> None:
    """Short calls without a pause."""
    while True:
        await call(home, token, "look", "x")


class Stand:
    """Agents at work behind a gateway that serves."""

    def __init__(self, home: Home, place: Path, names: Sequence[str]) -> None:
        self.home = home
        self.place = place
        self.names = names
        self.log = FenceLog(home.root / ".bulkhead")
        self.tokens = {name: home.mint(name, Endpoint("all"), task=name) for name in names}

    async def work(self, name: str) -> tuple[JSON, int]:
        """The answer of a call that goes on until it is stopped, and when it came."""
        answer = await call(self.home, self.tokens[name], "work", name)
        return answer, time.time_ns()

    async def begin(self) -> dict[str, asyncio.Task[tuple[JSON, int]]]:
        """All at work; returns when every one has had an effect."""
        before = self.place.stat().st_size if self.place.exists() else 0
        tasks = {name: asyncio.ensure_future(self.work(name)) for name in self.names}
        async with asyncio.timeout(60):
            while len(self.effects(before)) < len(self.names):  # noqa: ASYNC110  (a file has no event)
                await asyncio.sleep(0.01)
        return tasks

    def effects(self, after: int = 0) -> dict[str, int]:
        """The last effect of each, in nanoseconds."""
        if not self.place.exists():
            return {}
        with self.place.open("rb") as file:
            file.seek(after)
            lines = file.read().decode().splitlines()
        found = (line.split() for line in lines)
        return {pair[0]: int(pair[1]) for pair in found if len(pair) == 2}

    async def one_by_one(self) -> tuple[list[float], list[float]]:
        """Seconds from each fence to the last effect, and to the answer."""
        tasks, fences = await self.begin(), dict[str, int]()
        for name in self.names:
            fences[name] = time.time_ns()
            fence = Fence("agent", f"agent:{name}", "operator:bench", "", 0)
            await asyncio.to_thread(self.log.fence, fence)
            await asyncio.sleep(0.05)
        return await self._ended(tasks, fences)

    async def at_once(self) -> tuple[list[float], list[float]]:
        """The same for one fence on everything."""
        tasks, at = await self.begin(), time.time_ns()
        await asyncio.to_thread(self.log.fence, Fence("all", "", "operator:bench", "", 0))
        return await self._ended(tasks, dict.fromkeys(self.names, at))

    async def _ended(
        self, tasks: dict[str, asyncio.Task[tuple[JSON, int]]], fences: dict[str, int]
    ) -> tuple[list[float], list[float]]:
        async with asyncio.timeout(30):
            answers = {name: await task for name, task in tasks.items()}
        for answer, _ in answers.values():
            assert answer["error"]["data"]["reason"] == "fenced", answer
        await asyncio.sleep(0.3)
        last = self.effects()
        self.log.lift(self.log.read(), "operator:bench", "", 0)
        effect = [max(0.0, (last[name] - fences[name]) / 1e9) for name in self.names]
        return effect, [(answers[name][1] - fences[name]) / 1e9 for name in self.names]


def next_check(directory: Path) -> list[float]:
    """Seconds of the first look at a fence that another process has just set."""
    log, other, took = FenceLog(directory), FenceLog(directory), list[float]()
    fences = LiveFences(log)
    for number in range(200):
        other.fence(Fence("agent", f"agent:{number}", "operator:bench", "", 0))
        caught = Caught(f"agent:{number}", "local", "t")
        began = time.perf_counter()
        try:
            fences.check(caught)
            raise AssertionError("not seen")
        except Refused:
            took.append(time.perf_counter() - began)
        other.lift(other.read(), "operator:bench", "", 0)
    return took


def command(home: Home, names: Sequence[str]) -> list[float]:
    """Seconds of the whole command, each with a grant to revoke."""
    took = []
    for name in names[:5]:
        home.grant(name, task=name)
        began = time.perf_counter()
        home.must("contain", "--agent", name, "--no-undo", "--json")
        took.append(time.perf_counter() - began)
        home.must("fence", "lift", "--agent", name)
    return took


async def measure(stand: Stand, rounds: int) -> list[Cost]:
    """All of it, with the HTTP side busy."""
    token = stand.home.mint("busy", Endpoint("all"))
    busy = [asyncio.ensure_future(keep_busy(stand.home, token)) for _ in range(BUSY)]
    single, whole = [], []
    try:
        for _ in range(rounds):
            single.append(await stand.one_by_one())
            whole.append(await stand.at_once())
    finally:
        for each in busy:
            each.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
    return [
        cost("one: effect", [each for round_ in single for each in round_[0]]),
        cost("one: withheld", [each for round_ in single for each in round_[1]]),
        cost("all: effect", [each for round_ in whole for each in round_[0]]),
        cost("all: withheld", [each for round_ in whole for each in round_[1]]),
    ]


@contextmanager
def tool_server(place: Path) -> Iterator[str]:
    """Its URL."""
    with started("benchmarks.contain", "--serve", str(place)) as (port, _):
        yield f"http://127.0.0.1:{port}/mcp"


def run(agents: int, rounds: int) -> list[Cost]:
    """In directories that are gone afterwards."""
    names = [f"a{number}" for number in range(agents)]
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(tool_server(root / "effects"))
        rules = "p, P1, data, tick, look, role:worker, local, general, *, -, allow\n"
        rules += "p, P2, data, tick, work, role:worker, local, general, *, -, allow\n"
        rules += "".join(f"g, agent:{name}, role:worker, local\n" for name in [*names, "busy"])
        servers = {"tick": {"url": url}}
        home = Home.make(root / "home", servers, policy=rules, tiers=TIERS, intents=INTENTS)
        home.approve("tick")
        stack.enter_context(home.serving())
        stand = Stand(home, root / "effects", names)
        costs = asyncio.run(measure(stand, rounds))
        costs.append(cost("next check", next_check(root / "checks")))
        return [*costs, cost("command", command(home, names))]


def main() -> None:
    """Prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return
    head = (
        f"{given.agents} agents at work, {BUSY} more busy; target p95 {TARGET_MS:.0f} ms for fences"
    )
    report(head, run(given.agents, given.rounds), given.json)


def report(head: str, costs: Sequence[Cost], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(each) for each in costs], indent=2))
        return
    print(head)
    for one in costs:
        print(
            f"{one.what:14} {one.samples:4} samples  p50 {one.p50_ms:9.2f} ms"
            f"  p95 {one.p95_ms:9.2f} ms  worst {one.worst_ms:9.2f} ms"
        )


if __name__ == "__main__":
    main()
