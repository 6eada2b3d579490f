"""A tool server whose work can be watched: `work` adds a line to a file until it is told to stop."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import anyio
from mcp.server import MCPServer

server = MCPServer("ticking", version="1.0")
PLACE = Path(sys.argv[1])


@server.tool()
def look(n: int) -> str:
    """Only looks."""
    return f"seen {n}"


@server.tool()
async def work(name: str, seconds: float) -> str:
    """A line every 5 ms, with the time in nanoseconds."""
    until = time.monotonic() + seconds
    with (PLACE / name).open("a", buffering=1) as file:
        while time.monotonic() < until:
            file.write(f"{time.time_ns()}\n")
            await anyio.sleep(0.005)
    return f"done {name}"


if __name__ == "__main__":
    server.run()
