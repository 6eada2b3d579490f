"""A companion served from within its server: the gateway and a rollback beside it are joined to it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from gateway.undo.companion import Companion
from tests.system import starter

ROUNDS = 30


async def asked(socket: Path, states: set[str]) -> None:
    command = StdioServerParameters(
        command=starter.python(), args=["-m", "gateway", "companion", "join", str(socket)]
    )
    async with Client(stdio_client(command)) as client:
        for _ in range(ROUNDS):
            answer = await client.call_tool("store_state", {})
            states.add(answer.structured_content["state"])


async def test_several_who_ask_at_once_are_all_answered(tmp_path: Path) -> None:
    database: dict[str, Any] = {"notes": {str(n): {"body": "x" * 50} for n in range(2000)}}
    socket, states = tmp_path / "socket", set[str]()
    Companion("notes-undo").tables(lambda: database).beside(socket)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(asked, socket, states)
    assert len(states) == 1
