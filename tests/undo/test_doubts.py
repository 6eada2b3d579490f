"""A real tool server that dies in a call, beside a real companion that compares all of its records."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway.catalogue.canonical import digest
from gateway.catalogue.pins import Pin
from gateway.core.model import Target
from gateway.core.record import State
from gateway.core.reverse import Image, Level, Recorded
from gateway.ports import ToolServer
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo import doubts, packs
from gateway.undo.settling import Settler
from gateway.wire.servers.back_off import BackOff
from gateway.wire.servers.stdio import StdioServer
from tests.clock import ahead
from tests.journals.holding import holds
from tests.undo.rig import Behind, Policy, Rig, a_gateway, descriptor

SERVER = Path(__file__).parents[1] / "faults" / "faulty_server.py"
TOOLS = ("put", "drop", "get")
PACK = f"""\
undo_pack: 1
server:
  name: store
  versions: ">=1"
  tools: {{{", ".join(f'{name}: "{digest(descriptor(name))}"' for name in TOOLS)}}}
records: {{put: {{}}, drop: {{}}}}
"""


SECONDS = 5.0
LIMITS = ServerLimits(first_byte=SECONDS, total=SECONDS, quiesce=SECONDS)


class Place:
    """A folder of records, its server, and the companion that compares them."""

    def __init__(self, folder: Path, pause: float = 0.5) -> None:
        """`pause`: seconds between a death of the server and its next start."""
        self.folder, self.pause = folder, pause
        self.records = folder / "world"
        self.records.mkdir(parents=True)
        (self.records / "a").write_text("1")
        (folder / "version").write_text("1.0")
        (folder / "undo").mkdir()
        (folder / "undo" / "store.yaml").write_text(PACK)
        server = (sys.executable, "-I", "-S", str(SERVER), str(folder))
        companion = (sys.executable, "-m", "gateway", "companion", "snapshot", str(self.records))
        self.settings = {
            "store": ServerSettings(command=server, questions=(), limits=LIMITS),
            "store-undo": ServerSettings(command=companion, companion_of="store"),
        }

    def world(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.records.iterdir()}

    def fault(self, name: str) -> None:
        """What the server does with the next write."""
        (self.folder / "fault").write_text(name)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Rig]:
        """All of it is up."""
        pause = BackOff(first=self.pause)
        servers = {n: StdioServer(n, one, back_off=pause) for n, one in self.settings.items()}
        try:
            listed = (await servers["store-undo"].fetch("tools/list", {}))["tools"]
            await servers["store"].fetch("tools/list", {})
            self.server = servers["store"]
            described = {Target("store", "tool", name): descriptor(name) for name in TOOLS}
            beside = {Target("store-undo", "tool", each["name"]): each for each in listed}
            pins = {
                target: Pin(digest(each), "", "", each)
                for target, each in {**described, **beside}.items()
            }
            known = packs.load(self.folder, self.settings, pins)
            behind = Behind(servers, self.settings, known, described)
            async with a_gateway(self.folder, behind, Policy(), clock=now) as rig:
                yield rig
        finally:
            for server in servers.values():
                await server.aclose()


def now() -> int:
    return time.time_ns() // 1_000


async def looked_at(rig: Rig, call: str) -> Recorded:
    """Once nobody holds its leases any more."""
    while await holds(rig.parts.leases, call):
        await asyncio.sleep(0.01)
    found = rig.parts.ledger.recorded(call)
    assert found is not None
    return found


async def again(at: ToolServer) -> None:
    """The next process is up."""
    while at.describe()["pid"] is None:
        await asyncio.sleep(0.01)


async def test_what_a_server_left_that_died_in_a_call_is_the_calls_doing_and_is_taken_back(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "place")
    async with asyncio.timeout(60), place.gateway() as rig:
        first = await rig.call("put", key="a", value="2")
        place.fault("dies-after")
        died = await rig.call("put", key="b", value="3")
        found = await looked_at(rig, died)
        (place.records / "c").write_text("a person's, since")
        await again(place.server)
        verdicts = await rig.undo(first, died)
    assert (found.state, found.reversal.level) == (State.APPLIED, Level.COMPENSABLE)
    assert verdicts == {first: "compensated", died: "compensated"}
    assert place.world() == {"a": "1", "c": "a person's, since"}


async def test_what_changed_after_a_server_was_started_again_is_not_said_to_be_a_calls_doing(
    tmp_path: Path,
) -> None:
    """It has put its records in order as it came up, or somebody else has."""
    place = Place(tmp_path / "place")
    async with asyncio.timeout(60), place.gateway() as rig:
        reading = rig.doubts._reads.image

        async def late(*asked: Any) -> Image:
            if place.server.describe()["pid"] is None:
                await again(place.server)
                (place.records / "b").write_text("made as it came up")
            return await reading(*asked)

        with patch.object(rig.doubts._reads, "image", late):
            place.fault("dies-before")
            call = await rig.call("put", key="a", value="2")
            found = await looked_at(rig, call)
        verdicts = await rig.undo(call)
    assert found.state is State.NEEDS_HUMAN
    assert verdicts == {call: "in_doubt"}
    assert place.world() == {"a": "1", "b": "made as it came up"}


async def test_a_server_that_only_closed_its_output_is_still_at_work(tmp_path: Path) -> None:
    """It was said to be stopped, and the call not to be applied; then it wrote."""
    place = Place(tmp_path / "place")
    async with asyncio.timeout(60), place.gateway() as rig:
        place.fault("deaf-and-done")
        call = await rig.call("put", key="b", value="3")
        assert place.world() == {"a": "1"}
        found = await looked_at(rig, call)
        await again(place.server)
        verdicts = await rig.undo(call)
    assert found.state is State.APPLIED
    assert verdicts == {call: "compensated"}
    assert place.world() == {"a": "1"}


async def test_a_server_that_was_started_again_just_before_a_call_is_the_one_at_work(
    tmp_path: Path,
) -> None:
    """The process from before was gone, so the call was said not to be applied."""
    place = Place(tmp_path / "place", pause=0.0)
    async with asyncio.timeout(60), place.gateway() as rig:
        preparing = rig.line._reverser.prepare

        async def dies_then(*asked: Any) -> Any:
            ready = await preparing(*asked)
            died = place.server.describe()["pid"]
            os.kill(died, signal.SIGKILL)
            while place.server.describe()["pid"] in (None, died):
                await asyncio.sleep(0.01)
            return ready

        with patch.object(rig.line._reverser, "prepare", dies_then):
            place.fault("silent")
            asking = asyncio.create_task(rig.call("put", key="b", value="3"))
            while not (place.folder / "seen").exists():
                await asyncio.sleep(0.01)
            ahead(SECONDS)
            call = await asking
        ahead(SECONDS)
        found = await looked_at(rig, call)
    assert found.state is State.IN_DOUBT


async def test_what_a_call_that_was_given_up_left_is_for_a_person_also_if_its_server_dies_then(
    tmp_path: Path,
) -> None:
    """Whoever heard that it is in doubt may have put things right by hand meanwhile."""
    place = Place(tmp_path / "place", pause=20 * SECONDS)
    async with asyncio.timeout(60), place.gateway() as rig:
        first = await rig.call("put", key="a", value="2")
        place.fault("wrong-id")
        asking = asyncio.create_task(rig.call("put", key="b", value="3"))
        while "b" not in place.world():
            await asyncio.sleep(0.01)
        ahead(SECONDS)
        call = await asking
        os.kill(place.server.describe()["pid"], signal.SIGKILL)
        while not place.server.describe()["process"]["over"]:
            await asyncio.sleep(0.01)
        ahead(SECONDS)
        found = await looked_at(rig, call)
    assert found.state is State.NEEDS_HUMAN
    assert place.world() == {"a": "2", "b": "3"}
    async with asyncio.timeout(60), place.gateway() as rig:
        assert (await rig.undo(first, call))[call] == "in_doubt"
        assert place.world() == {"a": "2", "b": "3"}
        (place.records / "b").unlink()
        await Settler(rig.parts).declare(found, State.NOT_APPLIED)
        verdicts = await rig.undo(first, call)
    assert verdicts == {first: "compensated", call: "not_applied"}
    assert place.world() == {"a": "1"}


async def test_of_calls_that_were_looked_at_so_many_are_remembered_and_no_more(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path / "place", pause=0.0)
    calls: list[str] = []
    async with asyncio.timeout(60), place.gateway() as rig:
        with patch.object(doubts, "MOST", 2):
            for key in "bcd":
                place.fault("dies-after")
                calls.append(await rig.call("put", key=key, value="3"))
                await looked_at(rig, calls[-1])
                await again(place.server)
        assert [*rig.doubts._unclear] == calls[1:]
