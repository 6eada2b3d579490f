"""The MCP SDK's own client on a tool server over stdio: what a stdio call costs without a gateway.

    python -m benchmarks.sdkclient      reads a number of seconds a line, calls for so long, writes what it took

One call after the other, in one session. `SdkClient` is this as a process, driven from outside.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from benchmarks.load import Measured
from benchmarks.stand import PIPE


async def calls(session: ClientSession, arguments: dict[str, Any], seconds: float) -> list[float]:
    """Microseconds each call took."""
    times, until = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        result = await session.call_tool("echo", arguments)
        assert not result.is_error
        times.append((time.perf_counter() - began) * 1e6)
    return sorted(times)


async def answer() -> None:
    """Until standard input ends."""
    command, *words = PIPE["command"]
    server = StdioServerParameters(command=command, args=words, cwd=PIPE["cwd"])
    async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        while line := await asyncio.to_thread(sys.stdin.readline):
            began = time.perf_counter()
            times = await calls(session, {"text": "x" * 200}, float(line))
            took = time.perf_counter() - began
            p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
            print(json.dumps([len(times), took, p50, p99, p50, 0, 0]), flush=True)


class SdkClient:
    """The process, and rounds of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._child = process
        self.process = psutil.Process(process.pid)

    def round(self, seconds: float) -> Measured:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(f"{seconds}\n")
        self._child.stdin.flush()
        return Measured(*json.loads(self._child.stdout.readline()))


@contextmanager
def sdk_client() -> Iterator[SdkClient]:
    """One, with its tool server."""
    words = [sys.executable, "-m", "benchmarks.sdkclient"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield SdkClient(process)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(answer())
