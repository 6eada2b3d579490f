"""A stdio tool server that lists its tools properly, and then writes lines nobody should keep."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers.behaviour import JSON
from tests.servers.stdio_server import Stdio, serve

SCHEMA = {"type": "object", "properties": {"bytes": {"type": "integer"}, "id": {"type": "string"}}}
TOOLS = [{"name": name, "inputSchema": SCHEMA} for name in ("echo", "line")]


class Flooding(Stdio):
    """`line` takes {"bytes", "id"}: see `Stdio`."""

    async def other(self, method: str, params: JSON, emit: Any) -> JSON | None:
        if method == "tools/list":
            return {"result": {"tools": TOOLS}}
        return await super().other(method, params, emit)


if __name__ == "__main__":
    asyncio.run(serve(Flooding(), argparse.Namespace(deaf=False, stubborn=False)))
