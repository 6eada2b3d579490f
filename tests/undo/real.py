"""Real servers behind the real gateway: a day of agents' calls, people beside them, and a rollback at its end.

Line, journal, leases, doubts, planner and executor are the gateway's own; the world is seen from outside.
Levels are what the packs claim: whether they may claim it is what these tests are to show.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from gateway.core.model import Effect, JsonObject, Outcome, Target
from gateway.core.record import DOUBTFUL, Permit
from gateway.core.reverse import Recorded
from gateway.journals.protect import Protector
from gateway.ports import Outbound, ToolServer
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.plan import Plan
from gateway.undo.report import Report
from gateway.undo.select import Wanted
from gateway.undo.settling import Settler
from gateway.values import replace
from tests.journals.holding import holds
from tests.undo.rig import Behind, Policy, Rig, a_gateway
from tests.undo.scratch import Seen, World

WHOLE = frozenset({"restored", "compensated", "already", "no_effect", "not_applied"})
"""Verdicts after which nothing of a call is left."""


class Wire:
    """A tool server with an eye on it: the writes that reached it, and answers that get lost on the way."""

    def __init__(self, inner: ToolServer) -> None:
        self._inner = inner
        self.got: list[tuple[str, JsonObject]] = []
        self.losing: Callable[[], bool] = lambda: False

    async def call(self, permit: Permit, message: Outbound, channel: Any) -> Outcome:
        outcome = await self._inner.call(permit, message, channel)
        if permit.effect is Effect.READ:
            return outcome
        self.got.append((message.params["name"], message.params["arguments"]))
        return Outcome("in_doubt", detail="the answer was lost") if self.losing() else outcome

    async def fence(self) -> bool:
        """What was lost is an answer: the call itself had come to its end."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(repr=False)
class Day:
    """One fresh world and one fresh journal. `seen[n]`: the world before call n, `seen[-1]` after the last."""

    world: World
    run: int
    rng: Random
    rig: Rig
    wires: dict[str, Wire]
    calls: list[Recorded] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    @property
    def here(self) -> Path:
        """This run's part of the world."""
        return self.world.path / str(self.run)

    def look(self) -> Seen:
        """The oracle's word."""
        return dict(self.world.ground.see(self.world.path, self.run))

    def play(self, calls: int) -> Day:
        """So many random calls."""
        for _ in range(calls):
            self.call(*self.world.ground.call(self.world.path, self.run, self.rng))
        return self

    def call(self, tool: str, arguments: JsonObject, agent: str = "agent:a") -> Recorded:
        """One call of an agent; a doubt is settled as `bulkhead journal settle` does it."""
        made: Recorded = self.now(self._called, tool, arguments, agent)
        self.calls.append(made)
        self.seen.append(self.look())
        return made

    def plan(self, **wanted: Any) -> Plan:
        """As `bulkhead rollback --plan`; all of the day when nothing is said."""
        made: Plan = self.now(self._planned, wanted)
        return made

    def roll_back(self, choice: str = "skip", **wanted: Any) -> dict[str, str]:
        """Verdicts by call id."""
        report: Report = self.now(self._rolled, choice, wanted)
        return {call: found.verdict for call, found in report.found.items()}

    def now(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """In the loop of the servers."""
        return self.world.portal.call(function, *arguments)

    async def _called(self, tool: str, arguments: JsonObject, agent: str) -> Recorded:
        call_id, _ = await self.rig.ask(self.world.name, tool, arguments, task="t1", agent=agent)
        while await holds(self.rig.parts.leases, call_id):
            await asyncio.sleep(0.001)
        return await self._settled(self._recorded(call_id))

    async def _settled(self, call: Recorded) -> Recorded:
        if call.state not in DOUBTFUL:
            return call
        async with asyncio.timeout(60):
            await self._settler().settle(call, "ours")
        return self._recorded(call.call_id)

    def _settler(self) -> Settler:
        parts = self.rig.parts
        settings = {name: _declared(name, self.world) for name in parts.servers}
        return Settler(replace(parts, settings=settings))

    def _recorded(self, call_id: str) -> Recorded:
        found = self.rig.parts.ledger.recorded(call_id)
        assert found is not None
        return found

    async def _planned(self, wanted: dict[str, Any]) -> Plan:
        async with asyncio.timeout(120):
            return await self.rig.rollback().plan(Wanted(**(wanted or {"tasks": ("t1",)})))

    async def _rolled(self, choice: Any, wanted: dict[str, Any]) -> Report:
        async with asyncio.timeout(120):
            rollback = self.rig.rollback()
            return await rollback.execute(await self._planned(wanted), choice)


@contextmanager
def a_day(world: World, rng: Random) -> Iterator[Day]:
    """A fresh start at servers that go on running."""
    run = next(world.runs)
    world.ground.begin(world.path, run, rng)
    wires = {name: Wire(server) for name, server in world.scratch.servers.items()}
    with tempfile.TemporaryDirectory(dir=world.path.parent) as directory:
        gateway = a_gateway(Path(directory), _behind(world, wires), Policy(), _protector(world))
        with world.portal.wrap_async_context_manager(gateway) as rig:
            day = Day(world, run, rng, rig, wires)
            day.seen.append(day.look())
            yield day


def _protector(world: World) -> Protector:
    return Protector.open(world.path.parent / "state")


def _behind(world: World, wires: dict[str, Wire]) -> Behind:
    packs = world.scratch.packs
    versions = {
        f"{name}@{pack.digest}": {
            str(wires[name].describe()["server_info"]["version"]): dict.fromkeys(
                pack.tools, frozenset(pack.tools)
            )
        }
        for name, pack in packs.by_server.items()
        if name in wires
    }
    described = {target: dict(pin.descriptor) for target, pin in _pins(world).items()}
    settings = {name: _declared(name, world) for name in wires}
    return Behind(wires, settings, replace(packs, certified=versions), described)


def _pins(world: World) -> dict[Target, Any]:
    return {target: pin for target, pin in world.pins.items() if target.server == world.name}


def _declared(name: str, world: World) -> ServerSettings:
    companion_of = None if name == world.name else world.name
    limits = ServerLimits(quiesce=0.0)
    return ServerSettings(command=(name,), limits=limits, companion_of=companion_of)
