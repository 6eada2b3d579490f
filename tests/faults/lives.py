"""Gateway processes that are killed by the thousand: forked from a warm one, each for one short life.

`python -m tests.faults.lives` reads one life per line of its input, lives it in a child of its own and
answers with the child's exit status (-9: killed). Line, journal, leases, planner and executor are the real
ones, on a real disk; the tool server is a folder, so that its world outlives everybody.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from gateway.core.model import JsonObject, Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from gateway.undo.select import Wanted
from gateway.wire.servers import rounds as warm
from tests.faults import scenes
from tests.faults.dying import arm
from tests.undo import rig as small_world
from tests.undo.rig import Rig, Store, a_rig

MEANT = {"a": "1", "b": "2"}
CALLS: tuple[tuple[str, JsonObject], ...] = (
    ("put", {"key": "a", "value": "over"}),
    ("put", {"key": "new", "value": "fresh"}),
    ("rename", {"old": "a", "new": "c"}),
    ("drop", {"key": "b"}),
)
"""Each kind of inverse: put back, take away, two steps of which one must not be made twice, make again."""
FAST = 100
"""Lived time to time by the clock: nobody waits for the leases of the dead."""


class Folder(MutableMapping[str, str]):
    """Records as files: what is written is there, whoever is killed next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getitem__(self, key: str) -> str:
        try:
            return (self._path / key).read_text()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: str) -> None:
        (self._path / key).write_text(value)

    def __delitem__(self, key: str) -> None:
        (self._path / key).unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(os.listdir(self._path)))

    def __len__(self) -> int:
        return len(os.listdir(self._path))


class DeadlyStore(Store):
    """A store whose calls can be the last thing that happens; each effect it has is noted."""

    point: Callable[[str], None]
    effects: Path

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        tool, arguments = message.params["name"], message.params["arguments"]
        self.point(f"before {tool}")
        outcome = await super().call(permit, message, channel)
        if tool != "get":
            with self.effects.open("a") as out:
                out.write(json.dumps([permit.call_id, tool, arguments, outcome.kind]) + "\n")
        self.point(f"after {tool}")
        return outcome


async def calls(rig: Rig, here: Path) -> None:
    """An agent's task. What it was answered is noted as it hears it."""
    for number, (tool, arguments) in enumerate(CALLS):
        _, answer = await rig.ask("store", tool, arguments, task="t1")
        with (here / "heard").open("a") as out:
            out.write(json.dumps([number, answer.error is None]) + "\n")


async def rollback(rig: Rig, here: Path) -> None:
    """What an operator does: what is unfinished is taken up, then the task is taken back."""
    rollback = rig.rollback()
    found: dict[str, str] = {}
    for undo_id in rollback.unfinished():
        report = await rollback.resume(undo_id)
        found |= {call: one.verdict for call, one in report.found.items()}
    if not found:
        report = await rollback.execute(await rollback.plan(Wanted(tasks=("t1",))), "refuse")
        found = {call: one.verdict for call, one in report.found.items()}
    states = {row.record.call_id: str(row.state) for row in rig.calls()}
    (here / "said").write_text(json.dumps({"verdicts": found, "states": states}))


SCENES = {"calls": calls, "rollback": rollback, **scenes.SCENES}
WARM = (warm,)
"""Loaded once, for all lives."""


def live(directory: str, scene: str, at: int) -> None:
    """One life in that directory, ended at its nth point; 0: to its natural end."""
    asyncio.run(_lived(Path(directory), scene, at))


async def _lived(here: Path, scene: str, at: int) -> None:
    store = DeadlyStore(Folder(here / "world"))  # type: ignore[arg-type]
    store.effects = here / "effects"
    store.point = arm(at, here / "points")
    async with asyncio.timeout(300), a_rig(here, store, clock=_clock) as rig:
        await SCENES[scene](rig, here)


def _clock() -> int:
    return int(time.monotonic() * 1e6) * FAST


def main() -> None:
    """Live until nobody asks any more. The pack is read once, for all lives."""
    with tempfile.TemporaryDirectory() as directory:
        known = small_world.packs(Path(directory))
    small_world.packs = lambda directory: known
    for line in sys.stdin:
        life: list[Any] = json.loads(line)
        child = os.fork()
        if not child:
            live(*life)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
