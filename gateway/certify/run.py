"""Many runs of random calls (trial.py), each taken back again, each compared with what an outside look saw before.

Until something has come back, calls are taken back through processes started for that, as a rollback has its own.
Every second run is taken back in any order that a rollback may take (out_of_turn.py); a pack that is right only when
the latest goes first is certified for that alone. One run that ends differently from what was claimed ends the
certification. It knows the driver and the ground; who signs, and where that is kept, is the command's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Final

from gateway.catalogue.pins import Pins
from gateway.certify.drive import Driver
from gateway.certify.ground import Ground
from gateway.certify.trial import Run, Tally, Wrong
from gateway.core.reverse import Level
from gateway.errors import Misconfigured
from gateway.journals.memory import MemoryJournal
from gateway.ports import ServerUnavailable, ToolServer
from gateway.settings import Settings
from gateway.undo import packs as pack_files
from gateway.undo.packs import Packs
from gateway.undo.toolpack import ToolPack
from gateway.values import Value
from gateway.wire.servers import open_server

APART: Final = (
    "it was taken back through a process of its own, as by a rollback: a server that keeps its world to itself, or "
    "reads it at its start only, needs a companion that is served from within it"
)


class Scratch(Value):
    """The servers on a scratch world, and the pack that is tried on them."""

    server: str
    packs: Packs
    servers: Mapping[str, ToolServer]
    again: Callable[[], Mapping[str, ToolServer]] | None = None
    """Gives processes of the same servers that have yet to start; None: theirs are nobody's to start."""

    @asynccontextmanager
    async def driver(self, apart: bool) -> AsyncIterator[Driver]:
        """For one run. `apart`: its calls are taken back through processes started for that."""
        undoing = self.again() if apart and self.again is not None else {}
        try:
            yield Driver(self.server, self.packs, self.servers, MemoryJournal(), undoing)
        finally:
            for one in undoing.values():
                await one.aclose()


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

    def again() -> Mapping[str, ToolServer]:
        return {name: open_server(name, one) for name, one in scratch.items()}

    opened = again()
    for one in opened.values():
        stack.push_async_callback(one.aclose)
    for name, one in opened.items():
        await _same_tools(name, one, pins)
    return Scratch(server, packs, opened, again)


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
        apart = not (tally.restored or tally.compensated)
        async with scratch.driver(apart) as driver:
            one = Run(driver, ground, world, run, tally, losing)
            try:
                in_turn = apart or run % 2 or tally.only_in_turn
                if in_turn or not await one.goes_in_any_order(_rng(seed, run)):
                    await one.goes_in_turn(_rng(seed, run))
            except Wrong as wrong:
                why = f"{wrong} ({APART})" if apart else f"{wrong}"
                raise Wrong(f"run {run} of seed {seed}: {why}") from None
        tally.runs = run
        told(tally)
    return tally


def _rng(seed: int, run: int) -> Random:
    """The same calls for the same numbers."""
    return Random(f"{seed}/{run}")


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
