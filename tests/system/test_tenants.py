"""Agents and tasks of one name in several tenants, and what an operator of one types: the other's are left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.client import agent
from tests.system.home import Home
from tests.undo.homes import home as make_home

TENANTS = ("acme", "globex")
WRITES = "create_directory|write_file|edit_file|move_file"
ROLES = "\n".join(
    f"p, P5{n}0, tool, files, {WRITES}, role:worker, {tenant}, general, local, -, allow\n"
    f"g, agent:ann, role:worker, {tenant}\n"
    f"g, agent:bob, role:worker, {tenant}\n"
    for n, tenant in enumerate(TENANTS)
)


@dataclass(frozen=True)
class Shared:
    """A gateway of two tenants, and the folder behind it."""

    home: Home
    files: Path

    def write(self, tenant: str, name: str, task: str) -> bool:
        """Was that agent of that tenant let write `<tenant>.<name>.<task>`?"""
        token = self.home.token(name, "--tenant", tenant, "--task", task)
        path = self.files / f"{tenant}.{name}.{task}"
        return asyncio.run(self._write(token, {"path": str(path), "content": "x"}))

    async def _write(self, token: str, arguments: dict[str, str]) -> bool:
        async with asyncio.timeout(60):
            async with agent(f"{self.home.origin}/mcp", token, "2026-07-28") as client:
                try:
                    return not (await client.call_tool("files__write_file", arguments)).is_error
                except Exception as no:
                    assert "Stopped by an operator" in str(no)
                    return False

    def both(self, name: str, task: str) -> None:
        for tenant in TENANTS:
            assert self.write(tenant, name, task)

    def left(self, name: str, task: str) -> list[str]:
        """Whose files are there still."""
        return [each for each in TENANTS if (self.files / f"{each}.{name}.{task}").exists()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    root = tmp_path_factory.mktemp("tenants").resolve()
    home = make_home(root, ["files"])
    policy = home.root / "policies" / "policy.csv"
    policy.write_text(f"{policy.read_text()}\n{ROLES}")
    with home.serving():
        yield Shared(home, root / "world" / "files")


def test_an_agents_name_in_several_tenants_stops_nobody_until_it_is_said_whose(
    shared: Shared,
) -> None:
    shared.both("ann", "one")
    before = json.loads(shared.home.must("fence", "list", "--json"))
    vague = shared.home.run("contain", "--agent", "ann", "--yes", "--as", "keeper")
    assert (vague.returncode, vague.stdout) == (2, "")
    assert "in acme and globex: say --tenant" in vague.stderr
    assert json.loads(shared.home.must("fence", "list", "--json")) == before

    one = shared.home.run(
        "contain", "--agent", "ann", "--tenant", "acme", "--yes", "--json", "--as", "keeper"
    )
    told = json.loads(one.stdout)
    assert (one.returncode in (0, 3), one.stderr) == (True, "")
    assert told["fences"] == [{"scope": "agent", "value": "agent:ann", "tenant": "acme"}]
    assert len(told["undo"]["calls"]) == 1
    assert shared.left("ann", "one") == ["globex"]
    assert not shared.write("acme", "ann", "two")
    assert shared.write("globex", "ann", "two")
    shared.home.must("fence", "lift", "--agent", "ann")
    assert shared.write("acme", "ann", "three")


def test_whoever_it_is_can_be_said_too(shared: Shared) -> None:
    shared.both("bob", "six")
    shared.home.must("contain", "--agent", "bob", "--tenant", "*", "--no-undo", "--as", "keeper")
    stopped = [not shared.write(tenant, "bob", "seven") for tenant in TENANTS]
    shared.home.must("fence", "lift", "--agent", "bob", "--tenant", "*")
    assert stopped == [True, True]
    assert shared.write("acme", "bob", "eight")


def test_a_fence_of_one_tenant_is_not_lifted_with_anothers(shared: Shared) -> None:
    scope = ("--task", "night")
    for tenant in TENANTS:
        shared.home.must("contain", *scope, "--tenant", tenant, "--no-undo", "--as", "keeper")
    vague = shared.home.run("fence", "lift", *scope)
    assert (vague.returncode, vague.stdout) == (2, "")
    slip = shared.home.run("fence", "lift", *scope, "--tenant", "acme", "--tenant", "amce")
    assert (slip.returncode, slip.stderr) == (
        1,
        "bulkhead: no such fence stands: task night of amce\n",
    )
    stands = [
        each["tenant"]
        for each in json.loads(shared.home.must("fence", "list", "--json"))
        if each["value"] == "night"
    ]
    assert stands == ["globex"]
    shared.home.must("fence", "lift", *scope)


def test_a_rollback_undoes_what_one_tenants_agent_did(shared: Shared) -> None:
    shared.both("ann", "four")
    for scope in (("--agent", "ann"), ("--task", "four")):
        vague = shared.home.run("rollback", *scope, "--yes", "--as", "keeper")
        assert (vague.returncode, vague.stdout) == (1, "")
        assert "in acme and globex: say which tenant's" in vague.stderr
    assert shared.left("ann", "four") == ["acme", "globex"]
    done = shared.home.run(
        "rollback", "--task", "four", "--tenant", "globex", "--yes", "--as", "keeper"
    )
    assert done.returncode in (0, 3)
    assert shared.left("ann", "four") == ["acme"]


def test_what_is_on_record_of_no_agent_is_said_to_be_so(shared: Shared) -> None:
    assert shared.write("acme", "bob", "five") and shared.write("acme", "ann", "five")
    for slip, said in (
        (("--agent", "bbo"), "of agent agent:bbo"),
        (("--agent", "ann", "--tenant", "amce"), "of agent agent:ann of amce, but in acme"),
        (("--tenant", "amce"), "of tenant amce"),
    ):
        ran = shared.home.run("contain", *slip, "--no-undo", "--as", "keeper")
        assert ran.returncode == 0
        assert f"bulkhead: nothing is on record {said}" in ran.stderr
        shared.home.must("fence", "lift", *slip)


def test_payloads_of_one_tenants_agent_are_forgotten(shared: Shared) -> None:
    shared.both("bob", "nine")
    forget = ("journal", "forget", "--subject", "agent:bob", "--as", "keeper", "--json")
    vague = shared.home.run(*forget, "--dry-run")
    assert (vague.returncode, vague.stdout) == (2, "")
    assert "agent:bob is of acme and globex" in vague.stderr
    would = json.loads(shared.home.must(*forget, "--dry-run", "--tenant", "acme"))["calls"]
    of_acme = [call["call_id"] for call in shared.home.calls("--tenant", "acme", "--agent", "bob")]
    assert set(would) >= set(of_acme)
    everybodys = json.loads(shared.home.must(*forget, "--dry-run", "--tenant", "*"))["calls"]
    assert len(everybodys) > len(would)


def test_who_decides_about_something_is_told_whose_it_is(shared: Shared) -> None:
    words = ("--agent", "ann", "--task", "ten", "--tenant", "globex", "--intent", "general")
    shared.home.must("grant", "create", *words)
    listed = shared.home.must("grant", "list", "--task", "ten")
    assert "agent:ann  tenant globex  task ten" in listed
