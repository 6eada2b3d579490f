"""Taking calls back, from a scope to a report: the world is looked at by the test itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.core.act import UNDO
from gateway.core.model import AccessRequest, Decision, JsonObject, Obligation, Outcome, RpcError
from gateway.journals.sqlite import SqliteReader
from gateway.ports import EventRow
from gateway.undo.plan import written_later
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted
from gateway.undo.settling import Settler
from gateway.undo.thread import Found
from gateway.values import replace
from tests.undo.rig import HERE, Killed, Policy, Store, a_rig, dies, failed

SILENT = Outcome("in_doubt", detail="no answer")


def forget_leases(connection: sqlite3.Connection) -> None:
    """As if their term were over."""
    connection.execute("DELETE FROM lease")


async def test_a_chain_of_writes_comes_back_to_where_it_began(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="new")
        await rig.call("put", key="b", value="fresh")
        await rig.call("rename", old="a", new="c")
        await rig.call("drop", key="b")
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "old"}
    assert set(verdicts.values()) == {"restored"}


async def test_of_many_writes_to_one_resource_each_names_the_one_after_it(tmp_path: Path) -> None:
    """All of them, for each of them: a plan of 2,000 writes to one file took 58 MB."""
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        calls = [await rig.call("put", key="a", value=str(number)) for number in range(5)]
        plan = await rig.rollback().plan(Wanted(tasks=("t1",)))
    assert [(entry.call.call_id, entry.after) for entry in reversed(plan.entries)] == [
        *((call, (after,)) for call, after in pairwise(calls)),
        (calls[-1], ()),
    ]


async def test_what_lies_under_calls_that_are_left_names_the_one_to_begin_with(
    tmp_path: Path,
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        for number in range(4):
            last = await rig.call("put", key="a", value=str(number))
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        store.records["a"] = "a person's"
        report = await rollback.execute(plan, "skip")
    why = {found.why for call, found in report.found.items() if call != last}
    assert why == {f"{last} must be undone first, and is not"}


async def test_a_call_is_looked_at_before_its_inverse_call_and_after_it(tmp_path: Path) -> None:
    """A look costs as much as the inverse call."""
    async with a_rig(tmp_path, Store({"a": "old"})) as rig:
        await rig.call("put", key="a", value="new")
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        await rollback.execute(plan, "refuse")
        made = [row.record.target for row in reversed(rig.calls())]
    assert made[made.index("") :] == ["", "get", "undo:put", "get"]


async def test_progress_says_which_call_it_is_at_and_a_step_only_where_there_are_several(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    async with a_rig(tmp_path, Store({"a": "old"})) as rig:
        await rig.call("put", key="a", value="new")
        await rig.call("rename", old="a", new="b")
        rollback = Rollback(rig.parts, "operator:o", said.append)
        await rollback.execute(await rollback.plan(Wanted(tasks=("t1",))), "refuse")
    assert said == [
        "looking at call 1 of 2",
        "looking at call 2 of 2",
        "call 1 of 2: rename",
        "  step 1 of 2: store put",
        "  step 2 of 2: store drop",
        "call 2 of 2: put",
    ]


async def test_an_undo_has_all_its_lines_when_it_ends(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        calls = [await rig.call("put", key=key, value="new") for key in "ab"]
        await rig.undo(tasks=("t1",))
        (undo,) = [row for row in rig.calls() if row.record.method == UNDO]
        bodies = [line.said["body"] for line in rig.reader.lines(undo.record.call_id)]
    told = [(body.get("of"), body.get("step"), body.get("verdict")) for body in bodies[1:-1]]
    assert told == [
        line for call in reversed(calls) for line in ((call, 1, None), (call, None, "restored"))
    ]
    assert bodies[-1]["verdicts"] == dict.fromkeys(calls, "restored")


async def test_planning_changes_nothing_and_says_what_would_be_called(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
        plan = await rig.rollback().plan(Wanted(calls=(call,)))
    assert store.records == {"a": "new"}
    [entry] = plan.entries
    assert entry.standing == "ready"
    assert [(step.tool, step.arguments) for step in entry.call.reversal.steps or ()] == [
        ("put", {"key": "a", "value": "old"})
    ]


async def test_undoing_twice_does_nothing_the_second_time(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="a", value="3")
        await rig.undo(tasks=("t1",))
        written = len(store.got)
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "1"}
    assert len(store.got) == written
    assert set(verdicts.values()) == {"already"}


async def test_what_was_undone_and_changed_since_is_not_called_as_it_was(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        await rig.undo(call)
        store.records["a"] = "a person's"
        verdicts = await rig.undo(call)
    assert verdicts == {call: "conflict"}
    assert store.records == {"a": "a person's"}


async def test_what_a_person_makes_again_after_an_undo_is_the_persons(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        first = await rig.call("put", key="a", value="2")
        second = await rig.call("put", key="a", value="3")
        await rig.undo(tasks=("t1",))
        store.records["a"] = "3"
        verdicts = await rig.undo(tasks=("t1",), choice="skip")
    assert store.records == {"a": "3"}
    assert verdicts == {first: "conflict", second: "conflict"}


async def test_undoing_a_third_time_does_nothing_though_the_world_was_like_this_in_between(
    tmp_path: Path,
) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="2")
        await rig.call("drop", key="a")
        verdicts = [set((await rig.undo(tasks=("t1",))).values()) for _ in range(3)]
    assert store.records == {}
    assert verdicts == [{"restored"}, {"already"}, {"already"}]
    assert store.writes() == ["put", "drop", "put", "drop"]


async def test_a_write_beside_the_gateway_is_not_overwritten(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        mine = await rig.call("put", key="a", value="new")
        other = await rig.call("put", key="b", value="x")
        store.records["a"] = "a person's"
        refused = await rig.undo(tasks=("t1",))
        assert store.records == {"a": "a person's", "b": "x"}
        skipped = await rig.undo(tasks=("t1",), choice="skip")
    assert store.records == {"a": "a person's"}
    assert refused == {mine: "conflict", other: "conflict"}
    assert skipped == {mine: "conflict", other: "restored"}


async def test_a_forced_undo_overwrites_and_can_itself_be_undone(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
        store.records["a"] = "a person's"
        verdicts = await rig.undo(call, choice="force")
        assert (verdicts, store.records) == ({call: "restored"}, {"a": "old"})
        [overwrote] = [
            row.record.call_id
            for row in rig.calls()
            if row.record.where == f"for call {call}" and row.record.agent == "operator:o"
        ]
        back = await rig.undo(overwrote)
    assert back == {overwrote: "restored"}
    assert store.records == {"a": "a person's"}


async def test_what_could_not_be_put_back_is_not_overwritten(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        store.records["a"] = "a person's"
        verdicts = await rig.undo(call, choice="force")
    assert verdicts == {call: "conflict"}
    assert store.records == {"a": "a person's", "b": "old"}


async def test_forcing_is_a_right_of_its_own(tmp_path: Path) -> None:
    store, policy = Store({"a": "old"}), Policy()
    policy.denied = {"undo:force"}
    async with a_rig(tmp_path, store, policy) as rig:
        call = await rig.call("put", key="a", value="new")
        store.records["a"] = "a person's"
        verdicts = await rig.undo(call, choice="force")
    assert verdicts == {call: "refused"}
    assert store.records == {"a": "a person's"}


async def test_a_duty_on_forcing_is_a_no(tmp_path: Path) -> None:
    """Nobody is asked for it in the midst of an undo."""

    class Approving(Policy):
        def decide(self, question: AccessRequest) -> Decision:
            leave = Obligation("approve", "O1", HERE)
            duties = (leave,) if question.tool == "undo:force" else ()
            return replace(super().decide(question), obligations=duties)

    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Approving()) as rig:
        call = await rig.call("put", key="a", value="new")
        store.records["a"] = "a person's"
        verdicts = await rig.undo(call, choice="force")
    assert verdicts == {call: "refused"}
    assert store.records == {"a": "a person's"}


async def test_one_call_out_of_many_is_undone_alone(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        calls = [await rig.call("put", key=f"k{n}", value="v") for n in range(6)]
        await rig.undo(calls[3])
    assert set(store.records) == {"k0", "k1", "k2", "k4", "k5"}


async def test_a_call_somebody_built_upon_is_not_undone_alone(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        first = await rig.call("put", key="a", value="2")
        later = await rig.call("put", key="a", value="2", agent="agent:b", task="t2")
        await rig.call("put", key="a", value="3", agent="agent:b", task="t2")
        await rig.call("put", key="a", value="2", agent="agent:b", task="t2")
        plan = await rig.rollback().plan(Wanted(calls=(first,)))
        verdicts = await rig.undo(first)
    assert store.records == {"a": "2"}
    assert plan.entries[0].standing == "dependents"
    assert later not in plan.entries[0].dependents  # it changed nothing
    assert len(plan.entries[0].dependents) == 2
    assert verdicts == {first: "conflict"}


async def test_of_many_who_wrote_there_later_a_call_names_the_latest(tmp_path: Path) -> None:
    """Two agents that wrote one file in turn, 2,000 calls each, were four million names."""
    async with a_rig(tmp_path, Store({"a": "old"})) as rig:
        mine, theirs = list[str](), list[str]()
        for number in range(10):
            mine.append(await rig.call("put", key="a", value=f"{number}"))
            theirs.append(await rig.call("put", key="a", value=f"{number}!", task="t2"))
        plan = await rig.rollback().plan(Wanted(tasks=("t1",)))
    first, last = plan.entries[-1], plan.entries[0]
    assert (first.call.call_id, last.call.call_id) == (mine[0], mine[-1])
    assert first.dependents == tuple(theirs[-8:])
    assert last.dependents == (theirs[-1],)
    named = ", ".join(theirs[-3:])
    assert written_later(first.dependents) == f"written later by {named} and more"


async def test_a_call_that_was_never_sent_wrote_nothing_and_hinders_no_undo(tmp_path: Path) -> None:
    down = Outcome("rejected", error=RpcError(1002, "down"), detail="tool server store: down")
    store = Store({"a": "1"}, trouble=lambda tool, arguments: down if tool == "shout" else None)
    async with a_rig(tmp_path, store) as rig:
        first = await rig.call("put", key="a", value="2")
        unsent = await rig.call("shout", text="!", agent="agent:b", task="t2")
        assert await rig.undo(first) == {first: "restored"}
        assert await rig.undo(unsent) == {unsent: "no_effect"}
    assert store.records == {"a": "1"}


async def test_a_call_whose_server_only_says_that_it_turned_it_away_may_have_written(
    tmp_path: Path,
) -> None:
    error = RpcError(1002, "unreachable")
    away = Outcome("rejected", error=error, detail="it answered HTTP 404", turned_away=True)
    store = Store({"a": "1"}, trouble=lambda tool, arguments: away if tool == "shout" else None)
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("shout", text="!")
        assert await rig.undo(call) == {call: "irreversible"}


async def test_a_call_somebody_wrote_over_names_who_did(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        first = await rig.call("put", key="a", value="2")
        later = await rig.call("put", key="a", value="3", agent="agent:b", task="t2")
        plan = await rig.rollback().plan(Wanted(calls=(first,)))
        verdicts = await rig.undo(first)
    (entry,) = plan.entries
    assert (entry.standing, entry.why) == ("drift", f"changed since, and written later by {later}")
    assert verdicts == {first: "conflict"}
    assert store.records == {"a": "3"}


async def test_an_operator_without_the_right_reads_nothing_and_changes_nothing(
    tmp_path: Path,
) -> None:
    store, policy = Store({"a": "old"}), Policy()
    async with a_rig(tmp_path, store, policy) as rig:
        call = await rig.call("put", key="a", value="new")
        looks = rig.states("bulkhead:undo")
        policy.denied = {"undo:put"}
        verdicts = await rig.undo(call)
        assert rig.states("bulkhead:undo") == looks
    assert verdicts == {call: "refused"}
    assert store.records == {"a": "new"}
    asked = [each for each in policy.asked if each.subject == "operator:o"]
    assert {(each.tier, each.tool, each.intent) for each in asked} == {
        ("admin", "undo:put", "undo")
    }


async def test_every_inverse_call_has_its_own_intent_and_outcome(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store({"a": "1"})) as rig:
        await rig.call("rename", old="a", new="b")
        await rig.undo(tasks=("t1",))
        assert rig.states("operator:o") == ["undone", "applied", "applied"]


async def test_a_call_without_a_way_back_is_said_to_have_none(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        call = await rig.call("shout", text="fire")
        plan = await rig.rollback().plan(Wanted(calls=(call,)))
        report = await rig.rollback().execute(plan, "refuse")
    assert report.found[call].verdict == "irreversible"
    assert report.exit_status == 6


async def test_a_step_that_fails_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        bad = await rig.call("put", key="a", value="2")
        good = await rig.call("put", key="b", value="2")
        store.trouble = _only("a", failed("disk full"))
        verdicts = await rig.undo(tasks=("t1",))
    assert verdicts == {good: "restored", bad: "failed"}
    assert store.records == {"a": "2", "b": "1"}


async def test_a_server_that_lies_about_a_step_is_found_out(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        store.trouble = _only("a", Outcome("ok", {"content": []}))
        verdicts = await rig.undo(call)
    assert verdicts == {call: "unverified"}
    assert store.records == {"a": "2"}


async def test_a_read_that_fails_is_no_proof(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        plan = await rig.rollback().plan(Wanted(calls=(call,)))
        store.late = lambda tool, arguments: failed("go away") if tool == "get" else None
        report = await rig.rollback().execute(plan, "refuse")
    assert report.found[call].verdict == "failed"
    assert store.writes() == ["put"]


async def test_a_step_nobody_answered_is_fenced_and_its_effect_is_seen(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        store.late = lambda tool, arguments: SILENT if tool == "put" else None
        verdicts = await rig.undo(call)
    assert verdicts == {call: "restored"}
    assert (store.records, store.fences, store.writes()) == ({"a": "1"}, 1, ["put", "put"])


async def test_a_call_in_doubt_is_left_for_settling(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, arguments: SILENT if tool == "put" else None
        call = await rig.call("put", key="a", value="2")
        store.trouble = lambda tool, arguments: None
        plan = await rig.rollback().plan(Wanted(calls=(call,)))
    assert plan.entries[0].standing == "doubt"


async def test_a_plan_that_is_executed_on_a_still_world_does_what_it_said(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="2")
        await rig.call("rename", old="a", new="b")
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        again = await rollback.plan(Wanted(tasks=("t1",)))
        assert plan.digest == again.digest
        planned = [
            (step.tool, step.arguments)
            for entry in plan.entries
            for step in entry.call.reversal.steps or ()
        ]
        forward = len(store.got)
        await rollback.execute(plan, "refuse")
    assert store.got[forward:] == planned


async def test_a_moved_world_makes_another_plan(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        before = await rig.rollback().plan(Wanted(calls=(call,)))
        store.records["a"] = "3"
        after = await rig.rollback().plan(Wanted(calls=(call,)))
    assert before.digest != after.digest


def _only(key: str, outcome: Outcome) -> Callable[[str, JsonObject], Outcome | None]:
    """Trouble with writes of one record."""

    def trouble(tool: str, arguments: JsonObject) -> Outcome | None:
        return outcome if tool != "get" and arguments.get("key") == key else None

    return trouble


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_doubt_is_settled_within_the_rollback_once_its_writer_is_gone(
    tmp_path: Path, arrived: bool
) -> None:
    store = Store({"a": "old"})

    def lost(tool: str, arguments: JsonObject) -> Outcome | None:
        return SILENT if tool == "rename" else None

    store.late = lost if arrived else store.late
    store.trouble = store.trouble if arrived else lost
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        await rig.call("drop", key="nothing")
    store.late = store.trouble = lambda tool, arguments: None
    async with a_rig(tmp_path, store) as rig:
        verdicts = await rig.undo(call)
    assert verdicts == {call: "restored" if arrived else "not_applied"}
    assert store.records == {"a": "old"}


async def test_a_plan_is_signed_and_an_altered_one_is_not_believed(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store({"a": "1"})) as rig:
        await rig.call("put", key="a", value="2")
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        told = rollback.told(plan)
        assert Wanted.of_json(told["scope"]) == Wanted(tasks=("t1",))
        assert rollback.believed(told)
        assert not rollback.believed({**told, "plan": "sha256:" + "0" * 64})
        assert not rollback.believed({**told, "signature": ""})
        assert not rollback.believed({})
        await rollback.execute(plan, "refuse")
        [undo] = [row for row in rig.calls() if row.record.method == "bulkhead/undo"]
    assert undo.record.arguments["signature"] == told["signature"]


async def test_a_write_that_lost_its_lease_before_its_outcome_was_written_has_no_way_back(
    tmp_path: Path,
) -> None:
    """The lease goes between the last look and the commit: no clock and no look could have told."""
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        reads = 0

        def then(tool: str, arguments: JsonObject) -> Outcome | None:
            nonlocal reads
            reads += tool == "get"
            if reads == 2:
                rig.journal.post(forget_leases)
            return None

        store.late = then
        call = await rig.call("put", key="a", value="new")
        found = rig.parts.ledger.recorded(call)
        assert await rig.undo(call) == {call: "irreversible"}
    assert found is not None
    assert (found.state, found.reversal.level) == ("applied", "none")
    assert store.records == {"a": "new"}


async def test_a_step_whose_leases_have_ended_is_not_made(tmp_path: Path) -> None:
    """They go between the last look and the commit of its intent: no look could have told."""
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
        plan = await rig.rollback().plan(Wanted(calls=(call,)))

        def then(tool: str, arguments: JsonObject) -> None:
            rig.journal.post(forget_leases)

        store.late = then
        report = await rig.rollback().execute(plan, "refuse")
    assert report.found[call] == Found("failed", "its leases ran out")
    assert store.records == {"a": "new"}


async def test_what_may_have_written_a_resource_nobody_knows_of_keeps_it_from_being_complete(
    tmp_path: Path,
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        shout = await rig.call("shout", text="!", task="t2")
        call = await rig.call("put", key="a", value="new")
        scope = Wanted(resources=("store:/a",))
        plan = await rig.rollback().plan(scope)
        store.trouble = dies("put")
        with pytest.raises(Killed):
            await rig.rollback().execute(plan, "refuse")
    store.trouble = Store.trouble
    async with a_rig(tmp_path, store) as rig:
        [undo_id] = rig.rollback().unfinished(scope)
        report = await rig.rollback().resume(undo_id)
        again = await rig.rollback().execute(await rig.rollback().plan(scope), "refuse")
        last = rig.reader.lines(undo_id)[-1].said["body"]
    assert [entry.call.call_id for entry in plan.entries] == [call]
    assert plan.untold == report.untold == again.untold == (shout,)
    assert store.records == {"a": "old"}
    assert {report.found[call].verdict, again.found[call].verdict} == {"restored", "already"}
    assert (report.summary, report.exit_status) == ("complete_with_residue", 3)
    assert (again.summary, again.exit_status) == ("complete_with_residue", 3)
    assert last["summary"] == "complete_with_residue"


async def test_an_undo_that_is_taken_up_opens_none_of_its_finished_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 4,000 of 5,000 done each was opened four times before anything more was done."""
    store, scope = Store({"a": "old", "b": "old"}), Wanted(tasks=("t1",))

    def a_is_put(tool: str, arguments: JsonObject) -> Outcome | None:
        if (tool, arguments["key"]) == ("put", "a"):
            raise Killed
        return None

    async with a_rig(tmp_path, store) as rig:
        for key in "ab":
            await rig.call("put", key=key, value="new")
        plan = await rig.rollback().plan(scope)
        store.trouble = a_is_put
        with pytest.raises(Killed):
            await rig.rollback().execute(plan, "refuse")
    store.trouble = Store.trouble
    opened: list[str] = []
    lines = SqliteReader.lines

    def opening(reader: SqliteReader, call_id: str) -> Sequence[EventRow]:
        opened.append(call_id)
        return lines(reader, call_id)

    async with a_rig(tmp_path, store) as rig:
        steps = [each.record.call_id for each in rig.calls() if each.record.target == "undo:put"]
        [undo_id] = rig.rollback().unfinished(scope)
        monkeypatch.setattr(SqliteReader, "lines", opening)
        report = await rig.rollback().resume(undo_id)
    assert {found.verdict for found in report.found.values()} == {"restored"}
    assert store.records == {"a": "old", "b": "old"}
    under_way, finished = steps
    assert (under_way in opened, finished in opened) == (True, False)


async def test_of_a_call_that_never_had_a_pack_none_is_said_to_have_changed(tmp_path: Path) -> None:
    store = Store(trouble=lambda tool, arguments: SILENT if tool == "shout" else None)
    async with a_rig(tmp_path, store) as rig:
        call = rig.parts.ledger.recorded(await rig.call("shout", text="!"))
        assert call is not None
        finding = await Settler(rig.parts).settle(call, "gone")
    assert finding.state == "in_doubt"
    assert finding.why.startswith("nobody can look: ")
    assert finding.why.endswith("says nothing of shout")


async def test_a_number_that_cannot_be_put_back_as_it_stood_there_has_no_way_back(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1"})
    read = Outcome("ok", {"content": [], "structuredContent": {"value": "1"}}, rounded=True)
    store.trouble = lambda tool, arguments: read if tool == "get" else None
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        verdicts = await rig.undo(call)
    assert verdicts == {call: "irreversible"}
    assert store.records == {"a": "2"}
