"""The starter policy against the real servers it is written for: each of their tools has a tier somebody reaches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from gateway.core.decide import question
from gateway.core.model import Effect, Target, Tier
from gateway.policy import PolicySnapshot, load
from gateway.policy.asking import Asked
from gateway.values import replace
from tests import npm
from tests.system import starter

POLICIES: Final = Path(__file__).parents[2] / "policies"
READS_FOR_SURE: Final = {
    "git": {"git_status", "git_log", "git_show", "git_diff"},
    "time": {"get_current_time", "convert_time"},
    "files": {"read_text_file", "list_directory"},
    "memory": {"read_graph", "search_nodes"},
}
DESTROYS_FOR_SURE: Final = {
    ("git", "git_reset"),
    ("files", "write_file"),
    ("memory", "delete_entities"),
}


def parameters(server: str, home: Path) -> StdioServerParameters:
    """How the real server is started; it lists its tools and touches nothing."""
    environment: dict[str, str] | None = None
    match server:
        case "git":
            command: tuple[str, ...] = (starter.program("mcp-server-git"),)
        case "time":
            command = (starter.program("mcp-server-time"),)
        case "files":
            command = npm.filesystem(home)
        case _:
            command, environment = npm.memory(home / "graph.jsonl")
    return StdioServerParameters(command=command[0], args=list(command[1:]), env=environment)


async def tools_of(server: str, home: Path) -> list[str]:
    async with asyncio.timeout(120), Client(stdio_client(parameters(server, home))) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


def somebody_reaches(policy: PolicySnapshot, server: str, tool: str) -> bool:
    """Some agent of the policy could make some call of it."""
    agents = {member.agent for member in policy.book.members}
    return any(
        policy.decide(replace(question(one), arguments=None)).permitted
        for agent in agents
        for one in policy.possible(Asked(agent, Target(server, "tool", tool)).resolved())
    )


@pytest.mark.parametrize("server", ["git", "time", "files", "memory"])
async def test_every_tool_of_the_real_server_has_a_tier_somebody_reaches(
    server: str, tmp_path: Path
) -> None:
    tools = await tools_of(server, tmp_path)
    policy = load(POLICIES, {})
    assert READS_FOR_SURE[server] <= set(tools)
    assert [tool for tool in tools if not somebody_reaches(policy, server, tool)] == []
    named = {
        name
        for line in policy.tiers[server]["tools"]
        for name in (*line.pattern.exact, *line.pattern.prefixes)
    }
    assert named <= set(tools), "tiers.yaml names a tool the server does not have"


def test_what_looks_only_is_data_and_what_destroys_says_so() -> None:
    policy = load(POLICIES, {})
    for server, tools in READS_FOR_SURE.items():
        for tool in tools:
            found = policy.classify(Asked("agent:ann", Target(server, "tool", tool)).resolved())
            assert (found.tier, found.effect) == (Tier.DATA, Effect.READ)
    for server, tool in DESTROYS_FOR_SURE:
        found = policy.classify(Asked("agent:ann", Target(server, "tool", tool)).resolved())
        assert found.effect is Effect.DESTROY
