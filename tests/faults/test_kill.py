"""kill -9 of the real gateway at random moments under load: what agents, tool server and journal then say of it.

Laws: an answer an agent saw has its line; a write that reached the tool server has its intent; nothing
reached it twice; the next gateway starts cleanly and names every call that is in doubt.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import httpx2
from anyio.from_thread import start_blocking_portal

from gateway.core.model import Endpoint
from gateway.core.record import State
from gateway.journals.sqlite import SqliteReader
from gateway.ports import CallFilter
from tests.faults.recording import POLICY, TIERS, recording
from tests.system.client import ERAS, Era
from tests.system.home import Home, Serving
from tests.system.raw import JSON, over_http

KILLS: Final = int(os.environ.get("BULKHEAD_TEST_KILLS", "6"))
"""How many gateways die in one run of the test; a campaign sets more."""
AGENTS: Final = 6
TOOLS: Final = ("write", "read", "write", "forbidden")


@dataclass
class Seen:
    """What the agents heard, by the id in their arguments."""

    answered: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unexpected: list[JSON] = field(default_factory=list)
    beat: asyncio.Condition = field(default_factory=asyncio.Condition)

    def note(self, tool: str, id: str, answer: JSON) -> None:
        """One answer, sorted."""
        if tool != "forbidden" and "result" in answer:
            self.answered.add(id)
        elif tool == "forbidden" and answer["error"]["data"]["reason"] == "not_available":
            self.refused.add(id)
        else:
            self.unexpected.append(answer)

    async def more(self, count: int) -> None:
        """Returns when so many more calls have been answered."""
        until = self._heard() + count
        async with self.beat:
            await self.beat.wait_for(lambda: self._heard() >= until)

    def _heard(self) -> int:
        return len(self.answered) + len(self.refused) + len(self.unexpected)


async def one_agent(url: str, token: str, era: Era, name: str, seen: Seen) -> None:
    """One call after the other until the gateway is gone."""
    try:
        async with over_http(url, token, era) as ask:
            for number, tool in enumerate(itertools.cycle(TOOLS)):
                id = f"{name}-{number}"
                params = {"name": f"ledger__{tool}", "arguments": {"id": id}}
                seen.note(tool, id, await ask("tools/call", params))
                async with seen.beat:
                    seen.beat.notify_all()
    except httpx2.TransportError:
        return


async def one_life(home: Home, serving: Serving, life: int, chance: Random, seen: Seen) -> None:
    """Agents of both eras call until the gateway is killed: after some answers and a random moment."""
    url, token = f"{home.origin}/mcp", home.mint("tester", Endpoint("all"))
    async with asyncio.TaskGroup() as load:
        for number in range(AGENTS):
            name = f"life{life}-agent{number}"
            load.create_task(one_agent(url, token, ERAS[number % 2], name, seen))
        await seen.more(chance.randrange(1, 60))
        await asyncio.sleep(chance.random() * 0.01)
        serving.kill()


def in_doubt_in(log: Path) -> set[str]:
    """The calls a gateway named when it started."""
    found = re.search(r"In doubt since an earlier run: (.*)", log.read_text())
    return set(found[1].split(", ")) if found else set()


async def test_a_kill_loses_nothing_an_agent_saw_and_doubles_nothing(tmp_path: Path) -> None:
    chance, seen, named = Random(20260728), Seen(), []
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(recording()) as (url, ledger):
            servers = {"ledger": {"url": url}}
            home = Home.make(tmp_path / "home", servers, policy=POLICY, tiers=TIERS)
            home.approve("ledger")
            for life in range(KILLS + 1):
                with home.serving(log=tmp_path / f"life-{life}.log") as serving:
                    named.append(in_doubt_in(tmp_path / f"life-{life}.log"))
                    if life < KILLS:
                        async with asyncio.timeout(60):
                            await one_life(home, serving, life, chance, seen)
    with closing(SqliteReader(home.root / ".bulkhead" / "journal.db")) as reader:
        rows = reader.calls(CallFilter(), 10_000_000)
    listed = home.calls("--state", "in_doubt", "--limit", "100000")
    logs = "".join(path.read_text() for path in tmp_path.glob("life-*.log"))

    state = {row.record.arguments["id"]: row.state for row in rows}
    doubtful = {row.record.call_id for row in rows if row.state is State.IN_DOUBT}
    sys.stdout.write(
        f"{KILLS} kills: {len(seen.answered)} calls answered, {len(seen.refused)} refused,"
        f" {len(ledger.received)} forwarded, {len(doubtful)} in doubt\n"
    )
    assert seen.unexpected == []
    # Whatever an agent heard is on record, as it heard it.
    assert len(seen.answered) > KILLS
    assert {state.get(id) for id in seen.answered} == {State.APPLIED}
    assert {state.get(id) for id in seen.refused} <= {State.REFUSED}
    # No write without its intent, nothing twice, nothing that policy refused.
    assert set(ledger.ids("write")) <= state.keys()
    assert {state[id] for id in ledger.ids("write")} <= {State.APPLIED, State.IN_DOUBT}
    assert len(ledger.received) == len(set(ledger.received))
    assert ledger.ids("forbidden") == []
    # Each start named what the death before it had left open, once; nothing stays open.
    assert len(rows) == len(state)
    assert State.INTENT not in state.values()
    assert sum(map(len, named)) == len(doubtful)
    assert set().union(*named) == doubtful == {call["call_id"] for call in listed}
    assert doubtful
    assert "Traceback" not in logs and "ERROR" not in logs
