"""A tool server that outlives its gateways and remembers the argument `id` of every call that reached it.

Over Streamable HTTP in this process, so that nothing a gateway's death does can touch what it knows.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.servers.behaviour import JSON, Behaviour, error
from tests.servers.http_server import Front

TOOLS: Final = ("read", "write", "forbidden")
SCHEMA: Final[JSON] = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
    "required": ["id"],
    "additionalProperties": False,
}

TIERS: Final = """\
servers:
  ledger:
    tools:
      read|forbidden: {tier: data, effect: read}
      write: {tier: tool, effect: write}
"""
POLICY: Final = """\
p, P001, data, ledger, read, role:tester, local, general, *, -, allow
p, P002, tool, ledger, write, role:tester, local, general, *, -, allow
g, agent:tester, role:tester, local
"""
"""`forbidden` is in no rule: a call of it is refused, and that too must be on record."""


class Recording(Behaviour):
    """`received` holds (tool, id) in the order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[str, str]] = []
        # So that a kill finds calls that have reached the server and are not answered.
        self._pauses = itertools.cycle((0.0, 0.001, 0.004))

    async def other(self, method: str, params: JSON, emit: Any) -> JSON | None:
        if method != "tools/list":
            return await super().other(method, params, emit)
        if params.get("cursor") is not None:
            return error(-32602, "no more pages")
        return {"result": {"tools": [{"name": name, "inputSchema": SCHEMA} for name in TOOLS]}}

    async def tool_read(self, params: JSON, *_: Any) -> JSON:
        return await self._record("read", params)

    async def tool_write(self, params: JSON, *_: Any) -> JSON:
        return await self._record("write", params)

    async def tool_forbidden(self, params: JSON, *_: Any) -> JSON:
        return await self._record("forbidden", params)

    async def _record(self, tool: str, params: JSON) -> JSON:
        self.received.append((tool, params["arguments"]["id"]))
        await asyncio.sleep(next(self._pauses))
        return {"result": {"content": [{"type": "text", "text": params["arguments"]["id"]}]}}

    def ids(self, tool: str) -> list[str]:
        """What reached one tool, in order."""
        return [id for name, id in self.received if name == tool]


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[str, Recording]]:
    """Its URL and itself."""
    server = Recording()
    listening = await asyncio.start_server(Front(server).accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp", server
    finally:
        listening.close()
