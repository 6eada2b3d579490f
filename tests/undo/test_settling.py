"""Calls in doubt: the writer is stopped first, then the world is looked at, and only then something is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core import record
from gateway.core.record import State
from gateway.core.reverse import Captured, Level, Recorded, Step
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.ledger import Ledger
from gateway.undo.looking import Sight, Unsighted
from gateway.undo.own import For
from gateway.undo.parts import Parts
from gateway.undo.scope import CaptureFailed, Scope
from gateway.undo.settling import Settler, Writer
from gateway.values import replace
from tests.journals.holding import holds
from tests.undo.shop import OK, ShelfCase, Shop, put, record_of, shop

DOUBT = replace(OK, kind="in_doubt", result=None, detail="no answer", pid=7)


class ShelfLooker:
    """`looking.Looker` for the shelf's pack."""

    def __init__(self, at: Shop) -> None:
        self._at = at

    async def sight(self, call: Recorded) -> Sight:
        assert call.arguments is not None
        scope = Scope(call.arguments, {"id": call.call_id}, pre=call.reversal.pre or None)
        return Sight(self._at.pack, scope, self._at.pack.reads(scope))  # type: ignore[arg-type]

    async def look(self, call: Recorded, sight: Sight) -> dict[str, Captured]:
        try:
            found = await self._at.reads.image(sight.reads, For(call.call_id, "local", "", ""))
        except CaptureFailed as error:
            raise Unsighted("unreadable", str(error)) from None
        return dict(found)


async def in_doubt(at: Shop, call_id: str = "call-1", leaves: str = "old") -> None:
    """One call that was forwarded and never answered; it left this behind."""
    at.shelf.texts["a"] = "old"
    ready = await at.reverser.prepare(call_id, put(), False)
    at.journal.append(record.intent(record_of(call_id), at.clock(), ready.body))
    at.shelf.texts["a"] = leaves
    settled = await at.reverser.settle(ready, DOUBT)
    body = at.reverser.body(ready, settled)
    at.journal.append(record.outcome(call_id, at.clock(), "in_doubt", body, settled.state))


def ledger(at: Shop) -> Ledger:
    return Ledger(at.journal.reader(), at.protector)


def recorded(at: Shop, call_id: str = "call-1") -> Recorded:
    found = ledger(at).recorded(call_id)
    assert found is not None
    return found


def settler(at: Shop) -> Settler:
    nobody: Any = None
    return Settler(
        Parts(
            reader=at.journal.reader(),
            ledger=ledger(at),
            looker=ShelfLooker(at),  # type: ignore[arg-type]
            errands=nobody,
            leases=at.leases,
            journal=at.journal,
            protector=at.protector,
            policies=nobody,
            servers={"shelf": at.shelf},
            settings=at.settings,
            is_gone=nobody,
            parents=nobody,
            tenant="local",
            clock=at.clock,
            new_call_id=at.new_call_id,
            signer=nobody,
        )
    )


async def let_go(at: Shop, call_id: str = "call-1") -> None:
    """As after its time: nothing of this process looks at the doubt any more."""
    at.leases.release(call_id)


async def test_the_ledger_gives_back_all_that_was_written(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.texts["a"] = "old"
        ready = await at.reverser.prepare("call-1", put(), True)
        at.journal.append(record.intent(record_of("call-1"), at.clock(), ready.body))
        at.shelf.texts["a"] = "new"
        settled = await at.reverser.settle(ready, OK)
        body = at.reverser.body(ready, settled)
        at.journal.append(record.outcome("call-1", at.clock(), "ok", body, settled.state))
        found = recorded(at)
    assert found.reversal == settled.reversal
    assert (found.post, found.state, found.lines) == (settled.post, State.APPLIED, 2)
    assert found.arguments == {"name": "a", "text": "new"}
    assert found.epoch == ready.reversal.leases[0].epoch == 1


@pytest.mark.parametrize(
    ("leaves", "writer", "state"),
    [
        ("old", "ours", State.NOT_APPLIED),
        ("old", "gone", State.NOT_APPLIED),
        ("old", "theirs", State.IN_DOUBT),
        ("new", "ours", State.APPLIED),
        ("new", "theirs", State.APPLIED),
        ("a human's", "ours", State.NEEDS_HUMAN),
        ("a human's", "theirs", State.IN_DOUBT),
    ],
)
async def test_a_doubt_is_settled_by_the_world_and_by_who_could_still_change_it(
    tmp_path: Path, leaves: str, writer: Writer, state: State
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at, leaves=leaves)
        await let_go(at)
        finding = await settler(at).settle(recorded(at), writer)
        found = recorded(at)
    assert (finding.state, found.state) == (state, state)
    assert found.reversal.level is Level.EXACT
    assert found.post == ({"t": Captured("value", "new")} if state is State.APPLIED else None)
    assert found.reversal.steps == (Step("shelf", "put", {"name": "a", "text": "old"}),)


async def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_a_server_has(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(5), shop(tmp_path) as at:
        await in_doubt(at, leaves="new")
        await let_go(at)
        limits = ServerLimits(total=0.1, quiesce=0.1)
        at.settings["shelf"] = ServerSettings(url="http://127.0.0.1:9/mcp", limits=limits)
        at.clock = lambda: recorded(at).created_at - 3_600_000_000
        finding = await settler(at).settle(recorded(at), "theirs")
    assert finding.state is State.APPLIED


async def test_our_own_server_is_stopped_before_anything_is_read(tmp_path: Path) -> None:
    order: list[str] = []
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at)
        await let_go(at)
        look, fence = at.shelf.call, at.shelf.fence

        async def looked(*given: object) -> object:
            order.append("look")
            return await look(*given)  # type: ignore[arg-type]

        async def fenced() -> bool:
            order.append("fence")
            return await fence()

        at.shelf.call, at.shelf.fence = looked, fenced  # type: ignore[method-assign,assignment]
        await settler(at).settle(recorded(at), "ours")
    assert order == ["fence", "look"]


async def test_who_wrote_there_since_leaves_it_to_a_person(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at, leaves="new")
        await let_go(at)
        ready = await at.reverser.prepare("call-2", put(), False)
        at.journal.append(record.intent(record_of("call-2"), at.clock(), ready.body))
        settled = await at.reverser.settle(ready, OK)
        body = at.reverser.body(ready, settled)
        state = State.APPLIED  # it wrote the same again
        at.journal.append(record.outcome("call-2", at.clock(), "ok", body, state))
        at.reverser.release("call-2")
        finding = await settler(at).settle(recorded(at), "ours")
    assert (finding.state, "call-2" in finding.why) == (State.NEEDS_HUMAN, True)


async def test_a_world_that_cannot_be_read_settles_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at)
        await let_go(at)
        at.shelf.mute = True
        finding = await settler(at).settle(recorded(at), "ours")
        found = recorded(at)
    assert (finding.state, found.state, found.lines) == (State.IN_DOUBT, State.IN_DOUBT, 2)


async def test_what_is_leased_by_another_is_not_looked_at(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path, patience=1.0) as at:
        await in_doubt(at)
        finding = await settler(at).settle(recorded(at), "ours")
    assert finding.state is State.IN_DOUBT
    assert "held" in finding.why


async def test_what_somebody_else_settled_meanwhile_is_not_settled_again(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at, leaves="new")
        await let_go(at)
        stale = recorded(at)
        await settler(at).settle(recorded(at), "ours")
        finding = await settler(at).settle(stale, "ours")
        found = recorded(at)
    assert (finding.state, found.state, found.lines) == (State.APPLIED, State.APPLIED, 3)


@pytest.mark.parametrize(
    ("state", "level"), [(State.APPLIED, Level.NONE), (State.NOT_APPLIED, Level.EXACT)]
)
async def test_a_persons_word_settles_it_and_proves_nothing(
    tmp_path: Path, state: State, level: Level
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at)
        await settler(at).declare(recorded(at), state)
        found = recorded(at)
    assert (found.state, found.reversal.level) == (state, level)


async def test_a_read_changed_nothing_whatever_became_of_it(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        reading = replace(record_of("call-1"), tier="data", effect="read")
        at.journal.append(record.intent(reading, at.clock(), {}))
        at.journal.append(record.outcome("call-1", at.clock(), "in_doubt", {}))
        finding = await settler(at).settle(recorded(at), "theirs")
        found = recorded(at)
    assert (finding.state, found.state) == (State.NO_EFFECT, State.NO_EFFECT)
    assert finding.why == "it was to read: whatever became of it, it changed nothing"


async def until_settled(at: Shop) -> State:
    """When the gateway that forwarded it has looked, or given up."""
    at.reverser.release("call-1")
    while await holds(at.leases, "call-1"):
        await asyncio.sleep(0)
    return recorded(at).state


def nothing(at: Shop) -> None:
    """The doubt's time passes."""


def server_died(at: Shop) -> None:
    at.shelf.pid = 8


@pytest.mark.parametrize(
    ("leaves", "meanwhile", "state"),
    [
        ("new", nothing, State.APPLIED),
        ("old", nothing, State.IN_DOUBT),
        ("old", server_died, State.NOT_APPLIED),
        ("a human's", server_died, State.NEEDS_HUMAN),
        ("a human's", nothing, State.IN_DOUBT),
    ],
)
async def test_the_gateway_that_forwarded_it_looks_once_and_stops_nothing(
    tmp_path: Path, leaves: str, meanwhile: Callable[[Shop], None], state: State
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at, leaves=leaves)
        meanwhile(at)
        found = await until_settled(at)
    assert found is state


async def test_what_no_call_of_its_kind_makes_is_not_its_doing_though_its_server_died_in_it(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.finds = at.pack.reads  # type: ignore[method-assign]
        await in_doubt(at, leaves="a human's")
        died = {"pid": None, "process": {"pid": at.shelf.pid, "over": True}}
        at.shelf.describe = lambda: died  # type: ignore[method-assign]
        found = await until_settled(at)
    assert found is State.NEEDS_HUMAN


@pytest.mark.parametrize(("leaves", "state"), [("new", State.APPLIED), ("old", State.NO_EFFECT)])
async def test_a_late_answer_is_held_against_the_world_too(
    tmp_path: Path, leaves: str, state: State
) -> None:
    async with asyncio.timeout(20), shop(tmp_path, quiesce=15.0) as at:
        await in_doubt(at, leaves=leaves)
        at.reverser.release("call-1")
        at.reverser.doubts.late("call-1", OK)
        while await holds(at.leases, "call-1"):
            await asyncio.sleep(0)
        found = recorded(at)
    assert (found.state, found.reversal.level) == (state, Level.EXACT)
    assert found.post == {"t": Captured("value", leaves)}


async def test_an_answer_after_its_leases_are_gone_is_on_record_and_undoes_nothing(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        await in_doubt(at)
        await until_settled(at)
        at.reverser.doubts.late("call-1", OK)
        found = recorded(at)
    assert (found.state, found.reversal.level) == (State.APPLIED, Level.NONE)


async def test_an_answer_nobody_can_place_harms_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.reverser.doubts.late("nobody", OK)
        lines = len(at.journal.memory.events)
    assert lines == 0


MAIL = ShelfCase(Level.COMPENSABLE, "snapshot", residue=("what it told others",))


async def test_no_record_shows_that_a_mail_was_not_sent(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.case = MAIL
        await in_doubt(at, leaves="old")
        await let_go(at)
        finding = await settler(at).settle(recorded(at), "gone")
        found = recorded(at)
    assert (finding.state, found.state) == (State.NEEDS_HUMAN, State.NEEDS_HUMAN)
    assert finding.why.endswith("nobody can look for: what it told others")


async def test_nor_does_it_when_the_server_died_under_it(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.case = MAIL
        at.pack.finds = at.pack.reads  # type: ignore[method-assign]
        await in_doubt(at, leaves="old")
        died = {"pid": None, "process": {"pid": at.shelf.pid, "over": True}}
        at.shelf.describe = lambda: died  # type: ignore[method-assign]
        found = await until_settled(at)
    assert found is State.NEEDS_HUMAN
