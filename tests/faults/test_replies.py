"""A tool server that answers late, twice, torn, to the wrong call or with a lie, dies, or comes back another: P3, P8.

The real stdio wire, Line, doubts and rollback. Whatever it does: a write is forwarded once, the journal says
of it what is so or that it does not know, and an undo says "restored" only where the world is as before.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.model import Outcome, Target
from gateway.core.record import DOUBTFUL, State
from gateway.core.reverse import Recorded
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.settling import Settler
from gateway.wire.servers import open_server
from tests.clock import ahead
from tests.journals.holding import holds
from tests.undo.rig import TOOLS, Behind, Policy, Rig, a_gateway, descriptor, packs

BEFORE = "as it was"
WHOLE = {"restored", "already", "no_effect", "not_applied"}
SETTLED = {
    "wrong-id": State.APPLIED,
    "text-id": State.APPLIED,
    "twice": State.APPLIED,
    "two-words": State.APPLIED,
    "truncated": State.APPLIED,
    "late": State.APPLIED,
    "error-and-done": State.APPLIED,
    "ok-and-not-done": State.NO_EFFECT,
    "dies-before": State.NOT_APPLIED,
    "dies-after": State.APPLIED,
    "silent": State.NOT_APPLIED,
    "upgraded": State.IN_DOUBT,
    "blind": State.APPLIED,
}
"""How the call stands in the end."""
LOST = frozenset({"upgraded", "blind"})
"""Done, and not undone: nobody can say enough of it."""
SILENT = frozenset({"wrong-id", "text-id", "silent", "late"})
"""The gateway has no answer within its limit."""
LIMIT = 5.0
"""For an answer, and then for the server to be quiet. Neither is waited for: the clock is moved on."""
BACK = frozenset(fault for fault, state in SETTLED.items() if state is State.APPLIED) - LOST


@dataclass
class Place:
    """A folder of records and the server that has it."""

    folder: Path
    settings: ServerSettings

    @classmethod
    def make(cls, folder: Path) -> Place:
        (folder / "world").mkdir(parents=True)
        (folder / "world" / "a").write_text(BEFORE)
        (folder / "version").write_text("1.0")
        program = str(Path(__file__).with_name("faulty_server.py"))
        limits = ServerLimits(first_byte=LIMIT, total=LIMIT, quiesce=LIMIT)
        command = (sys.executable, "-I", "-S", program, str(folder))
        return cls(folder, ServerSettings(command=command, questions=(), limits=limits))

    def world(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.folder / "world").iterdir()}

    def seen(self) -> list[str]:
        seen = self.folder / "seen"
        text = seen.read_text() if seen.exists() else ""
        return [json.loads(line)[0] for line in text.splitlines()]

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Rig]:
        """The next gateway process; its server is up."""
        late: list[Rig] = []

        def heard(call: str, outcome: Outcome) -> None:
            late[0].doubts.late(call, outcome)

        server = open_server("store", self.settings, late=heard)
        described = {Target("store", "tool", name): descriptor(name) for name in TOOLS}
        known = packs(self.folder)
        behind = Behind({"store": server}, {"store": self.settings}, known, described)
        try:
            async with a_gateway(self.folder, behind, Policy(), clock=now) as rig:
                late.append(rig)
                await server.fetch("tools/list", {})
                yield rig
        finally:
            await server.aclose()


def now() -> int:
    return time.time_ns() // 1_000


def recorded(rig: Rig, call: str) -> Recorded:
    found = rig.parts.ledger.recorded(call)
    assert found is not None
    return found


async def settled(rig: Rig, call: str, late: bool) -> None:
    """Nobody holds its leases any more; a doubt has been looked at as `bulkhead journal settle` does it."""
    while await holds(rig.parts.leases, call):
        if not late:
            ahead(LIMIT / 10)
        await asyncio.sleep(0.01)
    if recorded(rig, call).state in DOUBTFUL:
        await Settler(rig.parts).settle(recorded(rig, call), "ours")


@pytest.mark.parametrize("fault", SETTLED)
async def test_p3_whatever_a_server_answers_nothing_is_told_that_is_not_so(
    tmp_path: Path, fault: str
) -> None:
    place = Place.make(tmp_path / "place")
    async with asyncio.timeout(60):
        async with place.gateway() as rig:
            (place.folder / "fault").write_text(fault)
            new = {"key": "a", "value": "new"}
            asking = asyncio.create_task(rig.ask("store", "put", new, task="t1"))
            if fault in SILENT:
                while not place.seen():
                    await asyncio.sleep(0.01)
                ahead(LIMIT)
            call, _ = await asking
            await settled(rig, call, late=fault == "late")
        was_done = place.world() == {"a": "new"}
        async with place.gateway() as rig:
            verdict = (await rig.undo(call))[call]
            stands = recorded(rig, call)
        forwarded = place.seen()
    assert stands.state is SETTLED[fault], stands.reversal.why
    assert was_done is (fault in BACK | LOST)
    assert (verdict in WHOLE) is (place.world() == {"a": BEFORE}), verdict
    assert (verdict == "restored") is (fault in BACK), verdict
    assert forwarded == ["put"] * (2 if fault in BACK else 1)
