"""Many runs of random calls, each taken back again, each compared with what an outside look saw before.

One run that ends differently from what was claimed ends the certification. It knows the driver and the
ground; who signs, and where that is kept, is the command's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway.catalogue.pins import Pins
from gateway.certify.drive import Driver, Tried
from gateway.certify.ground import Ground, Live
from gateway.core.record import State
from gateway.core.reverse import Level
from gateway.errors import Misconfigured
from gateway.journals.memory import MemoryJournal
from gateway.ports import ServerUnavailable, ToolServer
from gateway.settings import Settings
from gateway.undo import packs as pack_files
from gateway.undo.packs import Packs
from gateway.undo.reading import answer
from gateway.undo.toolpack import ToolPack
from gateway.values import Value
from gateway.wire.servers import open_server

MOST_CALLS: Final = 8


class Wrong(Exception):
    """The world was not as claimed: the run to repeat, and what differs. No certificate."""


@dataclass
class Tally:
    """What came of all runs so far."""

    runs: int = 0
    calls: int = 0
    restored: int = 0
    compensated: int = 0
    irreversible: int = 0
    doubts: int = 0
    settled: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    """Tool -> how often it was called."""
    idle: dict[str, str] = field(default_factory=dict)
    """Tool -> what it said when a call of it changed nothing, the last time."""


class Scratch(Value):
    """The servers on a scratch world, and the pack that is tried on them."""

    server: str
    packs: Packs
    servers: Mapping[str, ToolServer]

    def driver(self) -> Driver:
        """For one run."""
        return Driver(self.server, self.packs, self.servers, MemoryJournal())


async def open_scratch(
    stack: AsyncExitStack, settings: Settings, pins: Pins, server: str, ground: Ground, world: Path
) -> Scratch:
    """Start the server and its companion on a scratch world. Raises `Misconfigured`."""
    scratch = {
        name: ground.scratch(name, one, world)
        for name, one in settings.servers.items()
        if name == server or one.companion_of == server
    }
    if server not in scratch:
        raise Misconfigured(f"no server {server!r} in the settings")
    packs = pack_files.load(settings.policy_dir, scratch, pins.by_target)
    if server not in packs.by_server:
        raise Misconfigured(f"no undo pack for {server}")
    opened = {name: open_server(name, one) for name, one in scratch.items()}
    for one in opened.values():
        stack.push_async_callback(one.aclose)
    for name, one in opened.items():
        await _same_tools(name, one, pins)
    return Scratch(server, packs, opened)


async def _same_tools(name: str, server: ToolServer, pins: Pins) -> None:
    """The scratch server is the approved one: it lists what was approved."""
    from gateway.catalogue.fetch import fetch_lists

    try:
        lists = await fetch_lists(name, server, 30.0)
    except ServerUnavailable as error:
        raise Misconfigured(str(error)) from None
    for problem in lists.problems.values():
        raise Misconfigured(f"on a scratch world: {problem}")
    offered = {item.name: item.digest for item in lists.kinds["tool"].items}
    for target, pin in pins.of(name).items():
        if target.kind == "tool" and offered.get(target.name) != pin.digest:
            raise Misconfigured(
                f"{target.name} of {name} on a scratch world is not the approved one"
            )


async def certify(
    scratch: Scratch,
    ground: Ground,
    world: Path,
    *,
    runs: int,
    seed: int,
    losing: float = 0.0,
    told: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """All runs. Raises `Wrong`. `losing`: how many of the answers are lost, 0 to 1."""
    tally = Tally()
    for run in range(1, runs + 1):
        rng = Random(f"{seed}/{run}")
        try:
            await _one(scratch.driver(), ground, world, run, rng, losing, tally)
        except Wrong as wrong:
            raise Wrong(f"run {run} of seed {seed}: {wrong}") from None
        tally.runs = run
        told(tally)
    return tally


async def _one(
    driver: Driver, ground: Ground, world: Path, run: int, rng: Random, losing: float, tally: Tally
) -> None:
    ground.begin(world, run, rng)
    seen = [await _look(ground, driver, world, run)]
    done: list[Tried] = []
    for _ in range(rng.randint(1, MOST_CALLS)):
        tried = await driver.call(*ground.call(world, run, rng), lambda: rng.random() < losing)
        tally.tried[tried.tool] += 1
        if tried.state is State.IN_DOUBT:
            tried = await _settled(driver, tried, tally)
        elif tried.state is not State.APPLIED:
            tally.idle[tried.tool] = _short(answer(tried.outcome)["text"])
        done.append(tried)
        seen.append(await _look(ground, driver, world, run))
        _as_claimed(tried, seen[-2], seen[-1])
    for tried in reversed(done):
        after, before = seen.pop(), seen[-1]
        if not await _back(driver, ground, world, run, tried, (before, after), tally):
            return


async def _look(ground: Ground, driver: Driver, world: Path, run: int) -> Mapping[str, str]:
    if isinstance(ground, Live):
        return await ground.look(driver, world)
    return ground.see(world, run)


async def _settled(driver: Driver, tried: Tried, tally: Tally) -> Tried:
    tally.doubts += 1
    settled = await driver.probe(tried)
    tally.settled += settled.state is not State.IN_DOUBT
    return settled


def _as_claimed(tried: Tried, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """A call that is said to have done nothing did nothing; one that is said to have applied, something."""
    silent = tried.state in (State.NO_EFFECT, State.FAILED, State.REJECTED, State.NOT_APPLIED)
    noop = tried.pack is not None and tried.reversal.level is Level.NOOP
    if tried.pack is not None and (silent or noop) and before != after:
        what = "noop" if noop else tried.state.value
        raise Wrong(f"{_told(tried)} is said to be {what}, and changed {_differing(before, after)}")


async def _back(
    driver: Driver,
    ground: Ground,
    world: Path,
    run: int,
    tried: Tried,
    sides: tuple[Mapping[str, str], Mapping[str, str]],
    tally: Tally,
) -> bool:
    """One call taken back. False when nothing before it can be: it changed something that stays."""
    before, after = sides
    changed = before != after
    tally.calls += changed
    verdict = await driver.undo(tried)
    now = await _look(ground, driver, world, run)
    if verdict in ("restored", "no_effect", "not_applied", "already") and now != before:
        raise Wrong(f"{_told(tried)}: {verdict}, and {_differing(before, now)} is not as before")
    if verdict in ("irreversible", "in_doubt"):
        if now != after:
            raise Wrong(f"{_told(tried)}: {verdict}, and yet {_differing(after, now)} was changed")
        tally.irreversible += changed
        return not changed
    if verdict not in ("restored", "compensated", "no_effect", "not_applied", "already"):
        raise Wrong(f"{_told(tried)} of level {tried.reversal.level}: {verdict}")
    tally.restored += verdict == "restored"
    tally.compensated += verdict == "compensated"
    if verdict in ("restored", "compensated"):
        tally.cases[_case(tried)] += 1
    return now == before


def _told(tried: Tried) -> str:
    return f"{tried.tool} {_short(tried.arguments)} ({tried.reversal.why or tried.reversal.level})"


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 300 else f"{text[:300]}..."


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    return ", ".join(ascii(name) for name in names[:5]) or "nothing"


def _case(tried: Tried) -> str:
    """`<tool>#<n>`: by its line, which is where the case says it stands."""
    assert tried.pack is not None
    for number, case in enumerate(tried.pack.tool.cases, 1):
        if str(case.where) == tried.case:
            return f"{tried.tool}#{number}"
    return tried.tool


def untried(scratch: Scratch, tally: Tally) -> list[str]:
    """Cases that claim more than `compensable` and were never reached: no certificate speaks for these."""
    missing = []
    for name, tool in scratch.packs.by_server[scratch.server].tools.items():
        if not isinstance(tool, ToolPack):
            continue
        for number, case in enumerate(tool.tool.cases, 1):
            claims = Level.COMPENSABLE.rank < case.level.rank < Level.NOOP.rank
            if claims and f"{name}#{number}" not in tally.cases:
                missing.append(f"{name}#{number} ({case.where}){_heard(tally, name)}")
    return missing


def _heard(tally: Tally, tool: str) -> str:
    """What may help to reach it."""
    said = f", in vain at last: {tally.idle[tool]}" if tool in tally.idle else ""
    return f", called {tally.tried[tool]} times{said}"
