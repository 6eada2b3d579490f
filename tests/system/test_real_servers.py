"""Six real tool servers behind one gateway, and what every agent gets of them, held against the servers themselves.

Two from PyPI, two from npm, and one made with the SDK in each era, over HTTP. One gateway process for
the whole file.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from gateway.core.model import Endpoint, Tier
from gateway.sdk import SERVER_INFO_META_KEY
from tests import npm
from tests.servers.http_sdk import sdk_server
from tests.system import starter
from tests.system.client import ERAS, Era, agent
from tests.system.home import POLICIES, Home, intents
from tests.system.raw import JSON, Ask, over_http, over_stdio

SERVERS = ("git", "time", "files", "memory", "old", "new")
SPOKEN: Mapping[str, Era] = {
    "git": "2026-07-28",
    "time": "2026-07-28",
    "files": "legacy",
    "memory": "legacy",
    "old": "legacy",
    "new": "2026-07-28",
}
"""The newest era each server knows: the one the gateway speaks with it."""

ADMIN_ONLY = frozenset({"git_reset", "delete_entities", "delete_observations", "delete_relations"})
"""Tools whose every call is of the admin tier: reachable at /admin/mcp, and listed nowhere else."""

ERA_MEMBERS = frozenset({"resultType", "ttlMs", "cacheScope"})
"""What results of the stateless era carry and earlier ones do not: with who the server is, in `_meta`, the whole
difference of a bridged answer."""

ALL = Endpoint("all")
DATA = Endpoint("tier", Tier.DATA)
TOOL = Endpoint("tier", Tier.TOOL)
ADMIN = Endpoint("tier", Tier.ADMIN)

POLICY = """
p, P910, data, old, *, role:reader, local, general, *, -, allow
p, P920, data, new, *, role:reader, local, general, *, -, allow
g, agent:tester, role:reader, local
g, agent:tester, role:writer, local
g, agent:tester, role:keeper, local
"""
TIERS = """
  old:
    tools:
      "*": {tier: data, effect: read}
    methods:
      "*": {tier: data, effect: read}
  new:
    tools:
      "*": {tier: data, effect: read}
    methods:
      "*": {tier: data, effect: read}
"""


@dataclass(frozen=True)
class House:
    """The gateway, and the worlds its servers work on."""

    home: Home
    repo: Path
    files: Path
    graph: Path
    urls: Mapping[str, str]

    def raw(self, endpoint: Endpoint, era: Era) -> AbstractAsyncContextManager[Ask]:
        """An agent of an endpoint, in raw JSON."""
        url = self.home.origin + endpoint.path
        return over_http(url, self.home.mint("tester", endpoint), era)

    def sdk(self, endpoint: Endpoint, era: Era) -> AbstractAsyncContextManager[Client]:
        """An agent of an endpoint, made with the SDK."""
        return agent(self.home.origin + endpoint.path, self.home.mint("tester", endpoint), era)

    def direct(self, server: str) -> AbstractAsyncContextManager[Ask]:
        """The server itself, with no gateway between."""
        if server in self.urls:
            return over_http(self.urls[server], None, SPOKEN[server])
        command, env = commands(self.files, self.graph)[server]
        return over_stdio(command, SPOKEN[server], env)

    def reads(self, server: str) -> list[tuple[str, JSON]]:
        """Calls that leave the world as it is: sound ones, and some that fail."""
        repo, readme = str(self.repo), str(self.files / "readme.md")
        tokyo = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
        reads: dict[str, list[tuple[str, JSON]]] = {
            "git": [
                ("git_log", {"repo_path": repo}),
                ("git_status", {"repo_path": repo}),
                ("git_show", {"repo_path": repo, "revision": "nowhere"}),
            ],
            "time": [("convert_time", tokyo), ("get_current_time", {"timezone": "Mars/Base"})],
            "files": [
                ("read_text_file", {"path": readme}),
                ("list_directory", {"path": str(self.files)}),
                ("read_text_file", {"path": "/etc/hostname"}),
                ("read_media_file", {"path": str(self.files / "dot.png")}),
            ],
            "memory": [("read_graph", {}), ("open_nodes", {"names": ["Ada"]})],
            "old": [("echo", {"text": "é \u2028 \U0001f600"}), ("fail", {}), ("steps", {})],
            "new": [("echo", {"text": "é \u2028 \U0001f600"}), ("fail", {}), ("steps", {})],
        }
        return reads[server]


def commands(files: Path, graph: Path) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    """How each server that is a command is started."""
    return {
        "git": ((starter.program("mcp-server-git"),), {}),
        "time": ((starter.program("mcp-server-time"), "--local-timezone", "UTC"), {}),
        "files": (npm.filesystem(files), {}),
        "memory": npm.memory(graph),
    }


def settings_of(files: Path, graph: Path, urls: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    started = {
        name: {"command": list(command), "environment": {"set": env}, "limits": {"connect": 60}}
        for name, (command, env) in commands(files, graph).items()
    }
    return started | {name: {"url": url} for name, url in urls.items()}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Everything started once; approved as an operator would."""
    root = tmp_path_factory.mktemp("real")
    repo, files, graph = a_repo(root / "repo"), some_files(root / "files"), root / "graph.jsonl"
    graph.write_text(
        '{"type":"entity","name":"Ada","entityType":"person","observations":["counts"]}\n'
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(sdk_server("sessions")) as (old, _),
        portal.wrap_async_context_manager(sdk_server("stateless")) as (new, _),
    ):
        urls = {"old": old, "new": new}
        home = Home.make(
            root / "home",
            settings_of(files, graph, urls),
            policy=(POLICIES / "policy.csv").read_text() + POLICY,
            tiers=(POLICIES / "tiers.yaml").read_text() + TIERS,
            constraints=(POLICIES / "constraints.yaml").read_text(),
            intents=intents(SERVERS, [*Tier], 900),
        )
        home.approve(*SERVERS)
        with home.serving():
            home.grant("tester", *(word for tier in Tier for word in ("--tier", tier)))
            yield House(home, repo, files, graph, urls)


def a_repo(path: Path) -> Path:
    git = shutil.which("git")
    assert git is not None
    for words in (
        ("init", "-q", "-b", "main", str(path)),
        ("-C", str(path), "config", "user.name", "Tester"),
        ("-C", str(path), "config", "user.email", "tester@example.org"),
        ("-C", str(path), "commit", "-q", "--allow-empty", "-m", "first"),
    ):
        subprocess.run([git, *words], check=True, timeout=30)
    (path / "new.txt").write_text("not staged yet\n")
    return path


def some_files(path: Path) -> Path:
    path.mkdir()
    (path / "readme.md").write_text("# Grüße\n")
    (path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return path


def less_the_era(response: JSON) -> JSON:
    """A response without the members that belong to one era."""
    result = response.get("result")
    if not isinstance(result, dict):
        return response
    kept = {name: value for name, value in result.items() if name not in ERA_MEMBERS}
    meta = dict(kept.pop("_meta", {}))
    meta.pop(SERVER_INFO_META_KEY, None)
    return {**response, "result": {**kept, "_meta": meta} if meta else kept}


def less_the_call(response: JSON) -> JSON:
    """A response without the one member the aggregates add: the id of the call at the gateway."""
    result = response["result"]
    meta = dict(result.get("_meta", {}))
    assert re.fullmatch("[a-z2-7]{16}", meta.pop("bulkhead/call"))
    kept = {name: value for name, value in result.items() if name != "_meta"}
    return {**response, "result": {**kept, "_meta": meta} if meta else kept}


async def all_answers(house: House, server: str, ask: Ask) -> list[JSON]:
    """What a server lists, then what it says to each read."""
    answers = [await ask("tools/list", {})]
    for name, arguments in house.reads(server):
        answers.append(await ask("tools/call", {"name": name, "arguments": arguments}))
    return answers


@pytest.mark.parametrize("server", SERVERS)
async def test_the_transparent_endpoint_says_what_the_server_itself_says(
    house: House, server: str
) -> None:
    endpoint = Endpoint("server", server=server)
    relayed: dict[Era, list[JSON]] = {}
    with anyio.fail_after(60):
        async with house.direct(server) as ask:
            direct = await all_answers(house, server, ask)
        for era in ERAS:
            async with house.raw(endpoint, era) as ask:
                relayed[era] = await all_answers(house, server, ask)

    tools = direct[0]["result"]["tools"]
    assert len(tools) > 1
    direct[0]["result"]["tools"] = [tool for tool in tools if tool["name"] not in ADMIN_ONLY]
    for era, answers in relayed.items():
        if era == SPOKEN[server]:
            assert answers == direct
        else:
            assert list(map(less_the_era, answers)) == list(map(less_the_era, direct))
    assert all(answer["result"]["resultType"] == "complete" for answer in relayed["2026-07-28"])


@pytest.mark.parametrize("era", ERAS)
async def test_each_server_is_listed_and_called_at_its_own_endpoint_by_the_sdk(
    house: House, era: Era
) -> None:
    listed: dict[str, set[str]] = {}
    failed: dict[str, list[bool | None]] = {}
    with anyio.fail_after(60):
        for server in SERVERS:
            async with house.sdk(Endpoint("server", server=server), era) as client:
                listed[server] = {tool.name for tool in (await client.list_tools()).tools}
                failed[server] = [
                    (await client.call_tool(name, arguments)).is_error
                    for name, arguments in house.reads(server)
                ]

    for server in SERVERS:
        assert listed[server] >= {name for name, _ in house.reads(server)}
        assert failed[server][0] is False
        assert not listed[server] & ADMIN_ONLY
    assert failed["files"] == [False, False, True, False]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("endpoint", [ALL, DATA], ids=["mcp", "data"])
async def test_all_servers_are_called_under_public_names_and_say_the_same(
    house: House, era: Era, endpoint: Endpoint
) -> None:
    relayed: dict[str, list[JSON]] = {}
    direct: dict[str, list[JSON]] = {}
    with anyio.fail_after(60):
        async with house.sdk(endpoint, era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
        async with house.raw(endpoint, era) as ask:
            for server in SERVERS:
                relayed[server] = [
                    await ask("tools/call", {"name": f"{server}__{name}", "arguments": arguments})
                    for name, arguments in house.reads(server)
                ]
        for server in SERVERS:
            async with house.direct(server) as ask:
                direct[server] = [
                    await ask("tools/call", {"name": name, "arguments": arguments})
                    for name, arguments in house.reads(server)
                ]

    for server in SERVERS:
        assert {f"{server}__{name}" for name, _ in house.reads(server)} <= names
        told = [less_the_era(less_the_call(response)) for response in relayed[server]]
        assert told == list(map(less_the_era, direct[server]))
    assert ("files__write_file" in names) is (endpoint is ALL)
    assert "git__git_reset" not in names


@pytest.mark.parametrize("era", ERAS)
async def test_writes_are_done_at_the_tool_endpoint_and_undone_only_at_admin(
    house: House, era: Era
) -> None:
    path, person = house.files / f"{era}.txt", f"Bob {era}"
    entity = {"name": person, "entityType": "person", "observations": ["met"]}
    with anyio.fail_after(60):
        async with house.sdk(TOOL, era) as client:
            offered = {tool.name for tool in (await client.list_tools()).tools}
            wrote = [
                await client.call_tool("files__write_file", {"path": str(path), "content": era}),
                await client.call_tool("memory__create_entities", {"entities": [entity]}),
                await client.call_tool(
                    "git__git_add", {"repo_path": str(house.repo), "files": ["new.txt"]}
                ),
            ]
            staged = git_says(house.repo)
        remembered = house.graph.read_text()
        async with house.raw(ALL, era) as ask:
            refused = await ask(
                "tools/call",
                {"name": "memory__delete_entities", "arguments": {"entityNames": [person]}},
            )
        kept = house.graph.read_text()
        async with house.sdk(ADMIN, era) as client:
            powers = {tool.name for tool in (await client.list_tools()).tools}
            deleted = await client.call_tool("memory__delete_entities", {"entityNames": [person]})
            reset = await client.call_tool("git__git_reset", {"repo_path": str(house.repo)})

    assert [answer.is_error for answer in (*wrote, deleted, reset)] == [False] * 5
    assert path.read_text() == era
    assert staged == "A  new.txt"
    assert person in remembered and person in kept
    assert refused["error"]["data"]["reason"] == "not_available"
    assert person not in house.graph.read_text()
    assert git_says(house.repo) == "?? new.txt"
    assert "git__git_log" not in offered and "git__git_reset" not in offered
    assert {name.partition("__")[2] for name in powers} == ADMIN_ONLY


def git_says(repo: Path) -> str:
    ran = subprocess.run(
        ["git", "-C", str(repo), "status", "--porcelain"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return ran.stdout.strip()


def stdio_words(house: House, *words: str) -> list[str]:
    """The gateway as a command an MCP host starts."""
    config = str(house.home.config)
    return ["-m", "gateway", "stdio", "--agent", "tester", *words, "--config", config]


@asynccontextmanager
async def started(house: House, era: Era) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(command=starter.python(), args=stdio_words(house))
    async with Client(stdio_client(parameters), mode=era) as client:
        yield client


@pytest.mark.parametrize("era", ERAS)
async def test_a_host_that_starts_a_command_gets_all_servers(house: House, era: Era) -> None:
    failed: dict[str, bool | None] = {}
    with anyio.fail_after(60):
        async with started(house, era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            for server in SERVERS:
                name, arguments = house.reads(server)[0]
                answer = await client.call_tool(f"{server}__{name}", arguments)
                failed[server] = answer.is_error

    assert failed == dict.fromkeys(SERVERS, False)
    assert {"files__write_file", "git__git_log"} <= names
    assert "memory__delete_entities" not in names


async def test_a_host_that_starts_a_command_for_one_server_gets_its_own_words(house: House) -> None:
    with anyio.fail_after(60):
        async with house.direct("files") as ask:
            direct = await all_answers(house, "files", ask)
        command = [starter.python(), *stdio_words(house, "--server", "files")]
        async with over_stdio(command, SPOKEN["files"]) as ask:
            relayed = await all_answers(house, "files", ask)

    assert relayed == direct
