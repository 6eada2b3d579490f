"""What a task may do, and how it is stopped: a real gateway, real commands beside it, a real tool server."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.fence import Fence
from gateway.core.model import Endpoint, Tier
from gateway.fences.log import FenceLog
from tests.system.home import Home, Serving, intents
from tests.system.raw import JSON, over_http

ALL = Endpoint("all")
POLICY = """
p, P010, data, tick, look, role:worker, local, general, local, -, allow
p, P020, tool, tick, work, role:worker, local, general, local, -, allow
"""
TIERS = """
servers:
  tick:
    tools:
      look: {tier: data, effect: read}
      work: {tier: tool, effect: write}
"""
INTENTS = intents(["tick"])
AGENTS = ("ann", "bob", "cid", "dan", "eve", "fay")


@dataclass(frozen=True)
class House:
    """A gateway that serves, and the place its tool server works in."""

    serving: Serving
    place: Path

    @property
    def home(self) -> Home:
        return self.serving.home

    async def call(self, agent: str, tool: str, task: str = "test", **arguments: Any) -> JSON:
        token = self.home.mint(agent, ALL, task=task)
        async with over_http(f"{self.home.origin}/mcp", token, "2026-07-28") as ask:
            answer = await ask("tools/call", {"name": f"tick__{tool}", "arguments": arguments})
        return answer

    async def said(self, agent: str, tool: str = "look", task: str = "test", **more: Any) -> str:
        """What came of a call: "ok", or the reason."""
        answer = await self.call(agent, tool, task, **(more or {"n": 1}))
        return "ok" if "result" in answer else str(answer["error"]["data"]["reason"])

    async def listed(self, agent: str) -> list[str]:
        token = self.home.mint(agent, ALL)
        async with over_http(f"{self.home.origin}/mcp", token, "2026-07-28") as ask:
            answer = await ask("tools/list", {})
        return [tool["name"] for tool in answer["result"]["tools"]]

    def ticks(self, name: str) -> list[int]:
        path = self.place / name
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def make(root: Path) -> tuple[Home, Path]:
    members = "".join(f"g, agent:{agent}, role:worker, local\n" for agent in AGENTS)
    home = Home.ticking(root, policy=POLICY + members, tiers=TIERS, intents=INTENTS)
    return home, root / "place"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home, place = make(tmp_path_factory.mktemp("bounds"))
    with home.serving() as serving:
        yield House(serving, place)


async def test_a_budget_ends_where_it_says(house: House) -> None:
    grant = house.home.grant("ann", "--uses", "3")
    with anyio.fail_after(30):
        said = [await house.said("ann") for _ in range(4)]
    shown = json.loads(house.home.must("grant", "show", grant, "--json"))
    calls = house.home.calls("--grant", grant)
    assert said == ["ok", "ok", "ok", "grant_spent"]
    assert (shown["left"]["uses"], shown["used"]) == (0, 3)
    assert [call["state"] for call in calls if call["method"] == "tools/call"] == [
        "refused",
        *["applied"] * 3,
    ]


@pytest.mark.parametrize("verb", ["revoke", "complete"])
async def test_the_next_call_after_the_end_of_a_grant_is_refused(house: House, verb: str) -> None:
    task = f"ends-{verb}"
    grant = house.home.grant("bob", "--tool", "tick/look", task=task)
    with anyio.fail_after(30):
        before = await house.said("bob", task=task)
        outside = await house.said("bob", "work", task, name="x", seconds=0)
        house.home.must("grant", verb, grant)
        after = [await house.said("bob", task=task) for _ in range(2)]
    assert (before, outside, after) == ("ok", "outside_grant", ["grant_over"] * 2)


async def test_a_list_shows_what_the_grant_covers(house: House) -> None:
    house.home.grant("cid", "--tool", "tick/look")
    with anyio.fail_after(30):
        mine, others = await house.listed("cid"), await house.listed("dan")
    assert (mine, others) == (["tick__look"], ["tick__look", "tick__work"])


async def test_an_agent_mid_call_is_cut_off_and_its_result_withheld(house: House) -> None:
    """From the fence to the last effect; the whole matter is measured by benchmarks/contain.py."""
    with anyio.fail_after(30):
        work = asyncio.create_task(house.call("eve", "work", name="mid", seconds=20))
        while not house.ticks("mid"):
            await asyncio.sleep(0.01)
        fence = Fence("agent", "agent:eve", "operator:ada", "strange", 0)
        FenceLog(house.home.root / ".bulkhead").fence(fence)
        stopped_at = time.time_ns()
        answer = await work
        again, others = await house.said("eve"), await house.said("dan")
        shown = await house.listed("eve")
        ended = house.ticks("mid")
        house.home.must("fence", "lift", "--agent", "eve")
        lifted = await house.said("eve")
    assert answer["error"]["data"]["reason"] == "fenced"
    assert (again, others, lifted, shown) == ("fenced", "ok", "ok", [])
    assert (ended[-1] - stopped_at) / 1e9 < 2
    assert house.ticks("mid") == ended
    states = [call["state"] for call in house.home.calls("--agent", "eve")]
    assert states == ["applied", "refused", "in_doubt"]


async def test_contain_stops_revokes_and_leaves_a_record(house: House) -> None:
    grant = house.home.grant("fay", task="big")
    below = json.loads(
        house.home.must(
            *("grant", "create", "--agent", "dan", "--task", "part", "--intent", "general"),
            *("--below", grant, "--tool", "tick/look", "--json"),
        )
    )
    with anyio.fail_after(60):
        before = await house.said("fay", task="big"), await house.said("dan", task="part")
        told = house.home.must(
            *(
                "contain",
                "--task",
                "big",
                "--why",
                "gone wild",
                "--no-undo",
                "--as",
                "ada",
                "--json",
            )
        )
        after = await house.said("fay", task="big"), await house.said("dan", task="part")
        others = await house.said("fay")
    contained = json.loads(told)
    listed = json.loads(house.home.must("fence", "list", "--json"))
    acts = [call["method"] for call in house.home.calls("--agent", "operator:ada")]
    assert before == ("ok", "ok")
    assert after == ("fenced", "grant_over")
    assert others == "ok"
    assert (contained["revoked"], contained["under_way"]) == ([grant], [])
    assert ("task", "big") in {(each["scope"], each["value"]) for each in listed}
    assert below["root"] == grant
    assert sorted(acts) == ["fences/fenced", "fences/revoked"]


async def test_containing_needs_no_gateway_that_answers(house: House) -> None:
    """It stands still, as one does that is busy with everything else; the operator's command does not wait for it."""
    process = house.serving.process
    with anyio.fail_after(90):
        before = await house.said("bob", task="stuck")
        process.send_signal(signal.SIGSTOP)
        try:
            told = await asyncio.to_thread(
                house.home.must, "contain", "--task", "stuck", "--no-undo", "--json"
            )
        finally:
            process.send_signal(signal.SIGCONT)
        after = await house.said("bob", task="stuck")
    fences = json.loads(told)["fences"]
    assert fences == [{"scope": "task", "value": "stuck", "tenant": ""}]
    assert (before, after) == ("ok", "fenced")


async def test_a_fence_stands_when_the_gateway_starts_again(tmp_path: Path) -> None:
    home, place = make(tmp_path)
    home.must("contain", "--server", "tick", "--no-undo")
    with home.serving() as serving, anyio.fail_after(30):
        house = House(serving, place)
        said = await house.said("ann")
        home.must("fence", "lift", "--server", "tick")
        lifted = await house.said("ann")
    assert (said, lifted) == ("fenced", "ok")


async def test_the_admin_tier_needs_a_grant_whatever_the_role(house: House) -> None:
    asked = ("grant", "create", "--agent", "ann", "--task", "t", "--intent", "general")
    ran = house.home.run(*asked, "--tier", "admin")
    assert (ran.returncode, "outside_grant: tiers: admin" in ran.stderr) == (1, True)
    assert Tier.ADMIN not in ALL.tiers
