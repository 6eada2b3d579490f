"""What somebody who did not build the undo tried against it, and what once came of it: each was a wrong word.

A person's bytes lost, a call settled wrongly, a step made twice, a way back that was promised and not there.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.model import Classified, JsonObject, Outcome
from gateway.core.record import State
from gateway.core.reverse import Level
from gateway.ports import Mark
from gateway.undo.settling import Settler
from tests.journals.holding import holds
from tests.undo.rig import Killed, Policy, Rig, Store, a_rig, dies, failed

DOUBT = Outcome("in_doubt", detail="no answer")


class Marking(Policy):
    """A policy under which the journal may not keep these arguments of these tools in clear."""

    def __init__(self, marked: Mapping[str, Mapping[str, Mark]]) -> None:
        super().__init__()
        self.marked = marked

    def marks(self, classified: Classified | None) -> Mapping[str, Mark]:
        return self.marked.get(classified.resolved.target.name, {}) if classified else {}


def now() -> int:
    return time.time_ns() // 1_000


async def taken_up(rig: Rig) -> dict[str, str]:
    """What is unfinished, finished: the verdicts."""
    rollback = rig.rollback()
    async with asyncio.timeout(30):
        [undo_id] = rollback.unfinished()
        report = await rollback.resume(undo_id)
    return {call: one.verdict for call, one in report.found.items()}


async def state_of(rig: Rig, call_id: str) -> State:
    """As the journal has it once nobody holds what the call wrote."""
    async with asyncio.timeout(30):
        while await holds(rig.parts.leases, call_id):
            await asyncio.sleep(0.001)
    found = rig.parts.ledger.recorded(call_id)
    assert found is not None
    return found.state


async def test_p5_a_person_between_two_steps_keeps_what_he_wrote(tmp_path: Path) -> None:
    store = Store({"a": "1"})

    def a_person(tool: str, arguments: JsonObject) -> None:
        if tool == "put":
            store.records["b"] = "a person's"

    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        store.late = a_person
        verdicts = await rig.undo(call)
    assert verdicts == {call: "conflict"}
    assert store.records == {"a": "1", "b": "a person's"}


@pytest.mark.parametrize("tool", ["put", "drop"])
async def test_p5_what_a_person_writes_while_a_call_is_under_way_is_not_taken_for_its_doing(
    tmp_path: Path, tool: str
) -> None:
    """Between the effect and the look that is to tell what the effect was."""
    store = Store({"a": "1"})

    def a_person(name: str, arguments: JsonObject) -> None:
        if name == tool:
            store.records["a"] = "a person's"

    async with a_rig(tmp_path, store) as rig:
        store.late = a_person
        call = await rig.call(tool, key="a", **({"value": "2"} if tool == "put" else {}))
        store.late = lambda name, arguments: None
        verdicts = await rig.undo(call)
    assert store.records == {"a": "a person's"}
    assert verdicts == {call: "irreversible"}


async def test_p5_a_person_while_an_undo_lay_cut_off_between_two_steps_keeps_what_he_wrote(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        store.late = dies("put")
        with pytest.raises(Killed):
            await rig.undo(call)
    store.late = lambda tool, arguments: None
    store.records["b"] = "a person's"
    async with a_rig(tmp_path, store) as rig:
        verdicts = await taken_up(rig)
    assert verdicts == {call: "conflict"}
    assert store.records["b"] == "a person's"


async def test_p6_a_forced_undo_that_was_cut_off_is_taken_up_and_can_still_be_undone(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        store.records["a"] = "a person's"
        store.late = dies("put")
        with pytest.raises(Killed):
            await rig.undo(call, choice="force")
    store.late = lambda tool, arguments: None
    async with a_rig(tmp_path, store) as rig:
        verdicts = await taken_up(rig)
        assert (verdicts, store.records) == ({call: "restored"}, {"a": "1"})
        [forced] = [
            row.record.call_id
            for row in rig.calls()
            if (row.record.agent, row.record.where) == ("operator:o", f"for call {call}")
        ]
        assert await rig.undo(forced) == {forced: "restored"}
    assert store.records == {"a": "a person's"}


async def test_p6_what_changed_again_before_a_forced_step_is_overwritten_by_nobody(
    tmp_path: Path,
) -> None:
    """It died with its word in the journal and before its first step; then the person wrote once more."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        store.records["a"] = "a person's"
        store.trouble = dies("put")
        with pytest.raises(Killed):
            await rig.undo(call, choice="force")
    store.trouble = lambda tool, arguments: None
    store.records["a"] = "and another's"
    async with a_rig(tmp_path, store) as rig:
        verdicts = await taken_up(rig)
    assert verdicts == {call: "conflict"}
    assert store.records == {"a": "and another's"}


async def test_a_later_write_whose_arguments_are_secret_still_is_one(tmp_path: Path) -> None:
    """Its resources are sealed with it; a doubt before it is no clearer for that."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, arguments: DOUBT if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        assert await state_of(rig, call) is State.IN_DOUBT
    store.trouble = lambda tool, arguments: None
    store.records["a"] = "2"  # it came through all the same
    async with a_rig(tmp_path, store, Marking({"put": {"/value": "sealed"}})) as rig:
        await rig.call("put", task="t2", key="a", value="1")
        doubt = rig.parts.ledger.recorded(call)
        assert doubt is not None
        finding = await Settler(rig.parts).settle(doubt, "gone")
    assert finding.state is State.NEEDS_HUMAN, finding.why


async def test_a_failure_that_is_heard_of_too_late_to_look_settles_nothing(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, arguments: DOUBT if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        await state_of(rig, call)
        store.records["a"] = "half of it"
        rig.doubts.late(call, failed("it went wrong half way"))
        verdicts = await rig.undo(call)
    assert verdicts == {call: "in_doubt"}


@pytest.mark.parametrize("size", [300_000, 1_200_000])
async def test_a_call_with_a_large_argument_comes_back_as_it_was_promised(
    tmp_path: Path, size: int
) -> None:
    """The journal keeps only a commitment of so much; what its undo needs is kept with the undo."""
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("book", key="a", value="1", note="x" * size)
        made = rig.parts.ledger.recorded(call)
        assert made is not None and made.reversal.level is Level.COMPENSABLE
        assert await rig.undo(call) == {call: "compensated"}
    assert store.records == {}


async def test_a_large_argument_beside_a_secret_one_promises_nothing(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store(), Marking({"book": {"/value": "redacted"}})) as rig:
        call = await rig.call("book", key="a", value="1", note="x" * 300_000)
        made = rig.parts.ledger.recorded(call)
        assert made is not None and made.reversal.level is Level.NONE
        assert await rig.undo(call) == {call: "irreversible"}


async def test_p6_a_cancel_that_was_cut_off_is_sent_though_nothing_is_to_be_seen_of_the_try(
    tmp_path: Path,
) -> None:
    """The try may be on its way still; a look that finds nothing is no proof that it was cancelled."""
    store = Store()

    def lost(tool: str, arguments: JsonObject) -> Outcome | None:
        if tool == "cancel":
            raise Killed
        return DOUBT if tool == "book" else None

    store.trouble = lost
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("book", key="a", value="1", note="")
        store.ours = False  # and nobody can stop its server
        with pytest.raises(Killed):
            await rig.undo(call)
    store.trouble, store.ours = lambda tool, arguments: None, True
    async with a_rig(tmp_path, store) as rig:
        verdicts = await taken_up(rig)
    assert (verdicts, store.cancelled) == ({call: "compensated"}, {"a"})


async def test_p13_a_redacted_argument_takes_no_way_back_that_was_promised(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store, Marking({"put": {"/value": "redacted"}})) as rig:
        call = await rig.call("put", key="a", value="a password")
        made = rig.parts.ledger.recorded(call)
        assert made is not None
        verdicts = await rig.undo(call)
    promised = made.reversal.level.rank >= made.reversal.level.COMPENSABLE.rank
    assert (verdicts[call] == "restored") is promised, made.reversal
    assert promised


async def test_p3_a_failure_that_was_none_is_not_told_as_no_effect(tmp_path: Path) -> None:
    """It said that it failed, nothing was changed, and later it took effect after all."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, arguments: failed("timed out") if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        store.trouble = lambda tool, arguments: None
        assert await rig.undo(call) == {call: "no_effect"}
        store.records["a"] = "2"
        assert await rig.undo(call) == {call: "conflict"}
        assert await rig.undo(call, choice="force") == {call: "restored"}
    assert store.records == {"a": "1"}


async def test_p3_a_person_who_wrote_after_a_failed_call_is_no_conflict(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, arguments: failed("no") if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        store.records["a"] = "a person's"
        assert await rig.undo(call) == {call: "no_effect"}
    assert store.records == {"a": "a person's"}


async def test_a_step_under_way_at_a_server_nobody_can_stop_is_not_made_again_at_once(
    tmp_path: Path,
) -> None:
    """Over HTTP it may still come: its time is waited for, and the world looked at then."""
    store = Store({"a": "1"}, ours=False)
    async with a_rig(tmp_path, store, clock=now) as rig:
        call = await rig.call("rename", old="a", new="b")
        store.trouble = dies("drop")
        with pytest.raises(Killed):
            await rig.undo(call)
    store.trouble = lambda tool, arguments: None
    before = len(store.got)
    async with a_rig(tmp_path, store, clock=now) as rig:

        async def it_comes() -> None:
            await asyncio.sleep(0.1)
            store.records.pop("b", None)

        late = asyncio.create_task(it_comes())
        verdicts = await taken_up(rig)
        await late
    assert verdicts == {call: "restored"}
    assert store.got[before:] == []
    assert store.records == {"a": "1"}


async def test_an_agent_who_wrote_below_while_an_undo_lay_cut_off_is_not_run_over(
    tmp_path: Path,
) -> None:
    """What the call wrote looks as the call left it; what hangs on it was written through the gateway."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        store.trouble = dies("put")
        with pytest.raises(Killed):
            await rig.undo(call)
    store.trouble = lambda tool, arguments: None
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", task="t2", key="a/b", value="below")
        verdicts = await taken_up(rig)
    assert verdicts == {call: "conflict"}
    assert store.records == {"a": "2", "a/b": "below"}


async def test_what_a_step_in_doubt_writes_is_nobody_elses_until_it_has_had_its_time(
    tmp_path: Path,
) -> None:
    """At a server nobody can stop it may still come, and would run over whoever wrote there in between."""
    store = Store({"a": "1"}, ours=False)
    async with a_rig(tmp_path, store, clock=now) as rig:
        call = await rig.call("put", key="a", value="2")
        store.trouble = lambda tool, arguments: DOUBT if tool == "put" else None
        assert await rig.undo(call) == {call: "in_doubt"}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rig.parts.leases.take("later", ("store:/a",), term=60, quiesce=0)


def leases_end(home: Path) -> Callable[[str, JsonObject], None]:
    def late(tool: str, arguments: JsonObject) -> None:
        if tool == "put":
            with closing(sqlite3.connect(home / "journal.db")) as file, file:
                file.execute("DELETE FROM lease")

    return late


async def test_an_undo_whose_leases_ended_under_it_takes_no_further_step(tmp_path: Path) -> None:
    """As when the clock jumps: its term is over while it lives, and somebody else may be at it."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        store.late = leases_end(tmp_path)
        verdicts = await rig.undo(call)
    assert verdicts == {call: "failed"}
    assert store.records == {"a": "1", "b": "1"}


async def test_a_call_whose_leases_ended_under_it_promises_no_way_back(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.late = leases_end(tmp_path)
        call = await rig.call("put", key="a", value="2")
        assert await rig.undo(call) == {call: "irreversible"}
    assert store.records == {"a": "2"}


async def test_a_gateway_that_ends_leaves_a_call_in_doubt_its_time(tmp_path: Path) -> None:
    """Its server works on when nobody can stop it; nobody writes there until it has come to its end."""
    store = Store({"a": "1"}, ours=False)
    async with a_rig(tmp_path, store, clock=now) as rig:
        store.trouble = lambda tool, arguments: DOUBT if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        await asyncio.sleep(0)
        assert await holds(rig.parts.leases, call)
    async with a_rig(tmp_path, store, clock=now) as rig:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await rig.parts.leases.take("later", ("store:/a",), term=60, quiesce=0)
