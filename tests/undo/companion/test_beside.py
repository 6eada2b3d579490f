"""A companion served from within its server: the gateway and a rollback beside it are joined to it at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from gateway.errors import Misconfigured
from gateway.settings import ServerLimits
from gateway.undo.changes import PROCESS
from gateway.undo.companion import Companion, beside
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
            assert answer.meta is not None and answer.meta[PROCESS] == os.getsid(0)


async def test_several_who_ask_at_once_are_all_answered(tmp_path: Path) -> None:
    database: dict[str, Any] = {"notes": {str(n): {"body": "x" * 50} for n in range(2000)}}
    socket, states = tmp_path / "socket", set[str]()
    Companion("notes-undo").tables(lambda: database).beside(socket)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(asked, socket, states)
    assert len(states) == 1


def test_where_nobody_listens_that_is_said_before_the_gateway_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert beside.WAIT_SECONDS < ServerLimits().connect
    monkeypatch.setattr(beside, "WAIT_SECONDS", 0.0)
    with pytest.raises(Misconfigured, match="nobody listens there"):
        beside.join(tmp_path / "socket")
