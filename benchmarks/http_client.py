"""What one call to an HTTP tool server costs the gateway: our engine against an httpx2 client, in one run.

    python -m benchmarks.http_client [--calls 2000] [--json]

Ours is a whole `HttpServer.call`: envelope, headers, limits, strict framing, outcome. The httpx2 row is
the bare POST on one warm client and a `json.loads`. Both ask one server in a process of its own, in
rounds that take turns. CPU is this process's only. Read the ratio; the numbers are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import httpx2

from benchmarks.load import ENVELOPE
from benchmarks.stand import started
from gateway.core.model import ClientFacts, Effect, JsonObject
from gateway.core.record import Queued, State, permit
from gateway.nobody import NOBODY
from gateway.ports import Outbound
from gateway.settings import ServerSettings
from gateway.wire.servers.http import HttpServer

CALLERS = (1, 16)
ROUNDS = 5
AGENT = ClientFacts("2026-07-28", {}, {"name": "benchmark", "version": "1"})
PARAMS: JsonObject = {"name": "echo", "arguments": {"text": "x" * 200}}
RESULT: JsonObject = {"content": [{"type": "text", "text": "y" * 200}], "resultType": "complete"}

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to ask, at one number of callers."""

    way: str
    callers: int
    cpu_us_per_call: float
    calls_per_second: int
    times_ours: float


def ours(server: HttpServer) -> Ask:
    message = Outbound("tools/call", PARAMS, AGENT, "agent:a")
    leave = permit(Queued("call", State.INTENT), Effect.READ)

    async def ask() -> None:
        outcome = await server.call(leave, message, NOBODY)
        assert outcome.result == RESULT

    return ask


def theirs(client: httpx2.AsyncClient, url: str) -> Ask:
    params = {**PARAMS, "_meta": ENVELOPE}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Accept": "application/json, text/event-stream"}

    async def ask() -> None:
        reply = await client.post(url, json=body, headers=headers)
        assert json.loads(reply.content)["result"] == RESULT

    return ask


async def measure(ask: Ask, callers: int, calls: int) -> tuple[float, float]:
    """CPU and wall seconds of `calls` calls."""

    async def caller() -> None:
        for _ in range(calls // callers):
            await ask()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return time.process_time() - cpu, time.perf_counter() - wall


async def compare(url: str, calls: int) -> list[Cost]:
    server = HttpServer("benchmark", ServerSettings(url=url))
    costs: list[Cost] = []
    async with httpx2.AsyncClient() as client:
        ways = {"bulkhead": ours(server), "httpx2": theirs(client, url)}
        for callers in CALLERS:
            spent = {way: [0.0, 0.0] for way in ways}
            for number in range(ROUNDS + 1):
                for way, ask in ways.items():
                    cpu, wall = await measure(ask, callers, calls // ROUNDS)
                    if number:  # the first round warms up
                        spent[way][0] += cpu
                        spent[way][1] += wall
            done = ROUNDS * (calls // ROUNDS // callers * callers)
            for way, (cpu, wall) in spent.items():
                ratio = round(cpu / spent["bulkhead"][0], 2)
                costs.append(
                    Cost(way, callers, round(cpu / done * 1e6, 1), int(done / wall), ratio)
                )
    await server.aclose()
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with started("benchmarks.fixture") as (port, _):
        costs = asyncio.run(compare(f"http://127.0.0.1:{port}/mcp", given.calls))
    if given.json:
        print(json.dumps([asdict(cost) for cost in costs], indent=2))
        return
    print(f"{'way':10} {'callers':>7} {'CPU us/call':>12} {'calls/s':>8} {'x ours':>7}")
    for cost in costs:
        print(
            f"{cost.way:10} {cost.callers:7} {cost.cpu_us_per_call:12} "
            f"{cost.calls_per_second:8} {cost.times_ours:7}"
        )


if __name__ == "__main__":
    main()
