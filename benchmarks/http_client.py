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
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import httpx2

from gateway.core.model import Answer, ClientFacts, Effect, JsonObject
from gateway.core.record import Queued, State, permit
from gateway.ports import Outbound
from gateway.settings import ServerSettings
from gateway.wire.servers.http import HttpServer

CALLERS = (1, 16)
ROUNDS = 5
AGENT = ClientFacts("2026-07-28", {}, {"name": "benchmark", "version": "1"})
PARAMS: JsonObject = {"name": "echo", "arguments": {"text": "x" * 200}}
RESULT: JsonObject = {"content": [{"type": "text", "text": "y" * 200}], "resultType": "complete"}
DISCOVERED: JsonObject = {"supportedVersions": ["2026-07-28"], "capabilities": {}}

Ask = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one way to ask, at one number of callers."""

    way: str
    callers: int
    cpu_us_per_call: float
    calls_per_second: int
    times_ours: float


class Answering(asyncio.Protocol):
    """A server that does nothing but answer, so that it is not what is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        message = json.loads(body)
        result = DISCOVERED if message["method"] == "server/discover" else RESULT
        said = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(said), said)
        )


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Nobody:
    """A channel that is never used."""

    async def notify(self, method: str, params: JsonObject) -> None:
        raise AssertionError

    async def ask(self, method: str, params: JsonObject) -> Answer:
        raise AssertionError


def ours(server: HttpServer) -> Ask:
    message = Outbound("tools/call", PARAMS, AGENT, "agent:a")
    leave, nobody = permit(Queued("call", State.INTENT), Effect.READ), Nobody()

    async def ask() -> None:
        outcome = await server.call(leave, message, nobody)
        assert outcome.result == RESULT

    return ask


def theirs(client: httpx2.AsyncClient, url: str) -> Ask:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": PARAMS}
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


async def run(calls: int) -> list[Cost]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http_client", "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        return await compare(f"http://127.0.0.1:{port}/mcp", calls)
    finally:
        process.kill()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return
    costs = asyncio.run(run(given.calls))
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
