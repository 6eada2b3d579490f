"""What a tool server over stdio says, and what of it is believed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers.stdio import StdioServer
from tests.servers.clients import Remembers, leave, tool
from tests.system import starter

TICKING = Path(__file__).parents[2] / "servers" / "ticking.py"


@pytest.mark.parametrize("how", ["fence", "aclose"])
async def test_an_error_of_a_server_that_is_ended_does_not_say_that_nothing_was_done(
    tmp_path: Path, how: str
) -> None:
    """The official SDK for Python answers "Connection closed" for work it breaks off half way."""
    argv = (starter.python(), str(TICKING), str(tmp_path))
    server = StdioServer("ticking", ServerSettings(command=argv))
    work = {"name": "work", "arguments": {"name": "half", "seconds": 300}}
    try:
        with anyio.fail_after(60):
            calling = asyncio.create_task(
                server.call(leave(), replace(tool("work"), params=work), Remembers())
            )
            while not (tmp_path / "half").exists():
                await anyio.sleep(0.01)
            await getattr(server, how)()
            outcome = await calling
    finally:
        await server.aclose()
    assert (outcome.kind, outcome.error) == ("in_doubt", None)
    assert "as it was ended" in outcome.detail
