"""What a hung tool server costs the others: 16 agents call one server, while another hangs and while none does.

    python -m benchmarks.hung_server [--calls 60] [--rounds 7] [--json]

A real gateway, real tool servers, one HTTP connection for each agent. In every other round a second
tool server is stopped (SIGSTOP) and has one call of every agent waiting for it: over HTTP, over stdio, over
both. The ratio is of the 99th percentiles of two rounds next to each other; what counts is its median.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load import Target, stateless
from benchmarks.stand import PIPE, started, target
from gateway.core.model import Endpoint
from tests.system.home import Home, everybody

AGENTS = 16
HUNG = {"http": ("web",), "stdio": ("pipe",), "both": ("web", "pipe")}
JSON = dict[str, Any]
TIERS = "servers:\n" + "".join(
    f'  {name}:\n    tools:\n      "*": {{tier: data, effect: read}}\n'
    for name in ("quick", "web", "pipe")
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to hang. Milliseconds are medians over the rounds."""

    hung: str
    p50_ms_without: float
    p50_ms_with: float
    p99_ms_without: float
    p99_ms_with: float
    p99_ratio: float
    """The median of the ratios of neighbouring rounds."""


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """The body of the next HTTP message with a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


class Agent:
    """One agent on one connection: as little work as can be, so that the gateway is what is measured."""

    def __init__(self, place: Target) -> None:
        self._place = place

    async def connect(self) -> Agent:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._place.port)
        return self

    def close(self) -> None:
        self._writer.close()

    async def call(self, server: str) -> float:
        """Seconds until the answer."""
        params = {"name": f"{server}__echo", "arguments": {}}
        begun = time.perf_counter()
        self._writer.write(stateless(self._place, "tools/call", params))
        answer = json.loads(await read_message(self._reader))
        assert "result" in answer, answer
        return time.perf_counter() - begun


class Load:
    """Sixteen agents, connected anew for each round: idle connections are closed."""

    def __init__(self, home: Home, calls: int) -> None:
        self._place = target(home, Endpoint("all"))
        self._calls = calls

    async def round(self) -> list[float]:
        """How long each call took: all agents at once, each one call after the other."""
        agents = await self._agents(AGENTS)
        waits = await asyncio.gather(*(self._one(agent) for agent in agents))
        return sorted(wait for each in waits for wait in each)

    async def hung_round(self, servers: Sequence[str], pids: Sequence[int]) -> list[float]:
        """The same while the servers of these processes hang, each with a call of every agent."""
        waiting = await self._agents(AGENTS * len(servers))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            hanging = [
                asyncio.ensure_future(agent.call(servers[number % len(servers)]))
                for number, agent in enumerate(waiting)
            ]
            await asyncio.sleep(0.2)  # so that all of them are on their way
            waits = await self.round()
            assert not any(each.done() for each in hanging), "the hung server answered"
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        await asyncio.gather(*hanging)
        for agent in waiting:
            agent.close()
        return waits

    async def _agents(self, count: int) -> list[Agent]:
        return [await Agent(self._place).connect() for _ in range(count)]

    async def _one(self, agent: Agent) -> list[float]:
        waits = [await agent.call("quick") for _ in range(self._calls)]
        agent.close()
        return waits


async def compare(home: Home, pids: dict[str, int], calls: int, rounds: int) -> list[Cost]:
    load, costs = Load(home, calls), []
    for hung, servers in HUNG.items():
        stopped = [pids[server] for server in servers]
        await load.round()  # warms up
        pairs = [
            (await load.round(), await load.hung_round(servers, stopped)) for _ in range(rounds)
        ]
        costs.append(cost(hung, pairs))
    return costs


def cost(hung: str, pairs: Sequence[tuple[list[float], list[float]]]) -> Cost:
    def at(quantile: float, which: int) -> list[float]:
        return [pair[which][int(quantile * (len(pair[which]) - 1))] * 1e3 for pair in pairs]

    ratios = [after / before for before, after in zip(at(0.99, 0), at(0.99, 1), strict=True)]

    def median(quantile: float, which: int) -> float:
        return round(statistics.median(at(quantile, which)), 2)

    return Cost(
        hung,
        median(0.5, 0),
        median(0.5, 1),
        median(0.99, 0),
        median(0.99, 1),
        round(statistics.median(ratios), 2),
    )


def run(calls: int, rounds: int) -> list[Cost]:
    with ExitStack() as stack:
        quick, _ = stack.enter_context(started("benchmarks.fixture"))
        web, hanging = stack.enter_context(started("benchmarks.fixture"))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, JSON] = {
            "quick": {"url": f"http://127.0.0.1:{quick}/mcp"},
            "web": {"url": f"http://127.0.0.1:{web}/mcp"},
            "pipe": PIPE,
        }
        policy = everybody([("data", name) for name in servers])
        home = Home.make(root / "home", servers, policy=policy, tiers=TIERS)
        home.approve(*servers)
        serving = stack.enter_context(home.serving())
        [pipe_pid] = [
            child.pid
            for child in psutil.Process(serving.process.pid).children(recursive=True)
            if child.cmdline()[-1:] == ["--stdio"]
        ]
        pids = {"web": hanging.pid, "pipe": pipe_pid}
        return asyncio.run(compare(home, pids, calls, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=60, help="of each agent, in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report(run(given.calls, given.rounds), given.json)


def report(costs: Sequence[Cost], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
        return
    print(f"{'hung':6} {'p50 ms':>8} {'with':>8} {'p99 ms':>8} {'with':>8} {'p99 ratio':>10}")
    for one in costs:
        print(
            f"{one.hung:6} {one.p50_ms_without:8} {one.p50_ms_with:8} {one.p99_ms_without:8} "
            f"{one.p99_ms_with:8} {one.p99_ratio:10}"
        )


if __name__ == "__main__":
    main()
