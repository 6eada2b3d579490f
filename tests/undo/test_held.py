"""What an operator may do about held calls, and a rollback too: take them back before they are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.undo.held import Held
from gateway.undo.select import Wanted
from tests.undo.holding import BEFORE, Holding, desk, sent, waitings
from tests.undo.rig import Store, a_rig


async def test_a_cancelled_call_is_never_sent(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        await desk(rig).cancel(call, "operator:o")
        await sent(rig)
        assert waitings(rig).all() == []
        with pytest.raises(Refused, match="cancelled"):
            await desk(rig).cancel(call, "operator:o")
    assert store.got == []


async def test_a_released_call_is_sent_at_the_next_look(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        waiting = await desk(rig).release(call, "operator:o")
        await sent(rig, BEFORE)
    assert waiting.by == "operator:o"
    assert store.records == {"a": "new"}


@pytest.mark.parametrize("verb", ["cancel", "release"])
async def test_an_operator_without_the_right_is_refused(tmp_path: Path, verb: str) -> None:
    store, policy = Store({"a": "old"}), Holding("put")
    policy.denied = {f"undo:{verb}"}
    async with a_rig(tmp_path, store, policy) as rig:
        call = await rig.call("put", key="a", value="new")
        with pytest.raises(Refused) as no:
            await getattr(desk(rig), verb)(call, "operator:o")
        [still] = waitings(rig).all()
    assert (no.value.reason, no.value.detail) == (Reason.NO_RULE, f"undo:{verb} on store")
    assert still.call_id == call


async def test_a_rollback_takes_back_what_has_not_been_sent(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        held = await rig.call("put", key="a", value="new")
        done = await rig.call("drop", key="a")
        plan = await rig.rollback().plan(Wanted(tasks=("t1",)))
        verdicts = await rig.undo(tasks=("t1",))
        again = await rig.undo(tasks=("t1",))
        await sent(rig)
    levels = {e.call.call_id: (e.standing, e.call.reversal.level) for e in plan.entries}
    assert levels == {held: ("held", "exact"), done: ("ready", "exact")}
    assert verdicts == {held: "restored", done: "restored"}
    assert again == {held: "already", done: "already"}
    assert store.records == {"a": "old"}
    assert store.writes() == ["drop", "put"]


async def test_one_that_is_sent_between_plan_and_undo_is_a_conflict(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(calls=(call,)))
        await sent(rig)
        report = await rollback.execute(plan, "refuse")
        assert report.found[call].verdict == "conflict"
        assert await rig.undo(call) == {call: "restored"}
    assert store.records == {"a": "old"}


async def test_sending_and_taking_back_at_once_does_one_of_them(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        for turn in range(12):
            store.got.clear()
            call = await rig.call("put", key="a", value=str(turn))
            taken_back = taken_back_after(turn * 4, desk(rig), call)
            _, no = await asyncio.gather(sent(rig), taken_back, return_exceptions=True)
            found = rig.reader.call(call)
            assert found is not None
            expected = ("cancelled", 0) if no is None else ("applied", 1)
            assert (found.state, len(store.got)) == expected


async def taken_back_after(turns: int, held: Held, call: str) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    await held.cancel(call, "operator:o")


async def test_nobody_has_written_where_a_held_call_was_not_yet(tmp_path: Path) -> None:
    """It holds nothing, so a later write nobody can say more of is none of its concern."""
    policy = Holding("shout")
    async with a_rig(tmp_path, Store(), policy) as rig:
        held = await rig.call("shout", text="first")
        policy.tools.clear()
        await rig.call("shout", text="second")
        plan = await rig.rollback().plan(Wanted(calls=(held,)))
    assert [(entry.standing, entry.dependents) for entry in plan.entries] == [("held", ())]
