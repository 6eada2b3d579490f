"""A rollback after a rollback: what was taken back before is in nobody's way, and what came since is not lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import JournalError
from gateway.undo.plan import Choice
from gateway.undo.thread import Writer, open_threads
from tests.undo.rig import Store, a_rig


async def test_a_task_that_goes_on_after_a_rollback_is_rolled_back_once_more(
    tmp_path: Path,
) -> None:
    """The two calls look at that resource by different reads."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        moved = await rig.call("rename", old="a", new="b")
        await rig.undo(tasks=("t1",))
        since = await rig.call("put", key="b", value="2")
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "1"}
    assert verdicts == {since: "restored", moved: "already"}


async def test_what_a_person_wrote_between_two_rollbacks_is_a_conflict_and_stays(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        moved = await rig.call("rename", old="a", new="b")
        await rig.undo(tasks=("t1",))
        store.records["a"] = "a person's"
        since = await rig.call("put", key="b", value="2")
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "a person's"}
    assert verdicts == {since: "restored", moved: "conflict"}


async def test_two_calls_taken_back_before_are_both_seen_to_be_gone(tmp_path: Path) -> None:
    """The later of them cannot be as it was before it: the earlier one is gone, too."""
    store = Store({"a": "1", "x": "9"})
    async with a_rig(tmp_path, store) as rig:
        one = await rig.call("rename", old="a", new="b")
        other = await rig.call("rename", old="b", new="c")
        await rig.undo(tasks=("t1",))
        since = [
            await rig.call("put", key="b", value="2"),
            await rig.call("put", key="c", value="3"),
        ]
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "1", "x": "9"}
    assert verdicts == {**dict.fromkeys(since, "restored"), one: "already", other: "already"}


async def test_what_somebody_else_wrote_where_a_call_was_taken_back_stops_nothing(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        back = await rig.call("put", key="a", value="2")
        await rig.undo(back)
        await rig.call("put", key="a", value="theirs", task="t2", agent="agent:b")
        bad = await rig.call("put", key="b", value="2")
        plan = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "theirs", "b": "1"}
    assert plan == {bad: "restored", back: "already"}


async def test_a_failed_call_did_not_take_effect_later_because_an_undo_left_it_so(
    tmp_path: Path,
) -> None:
    """Renaming what is not there fails; that its target is there again is the undo's doing."""
    store = Store({"b": "1"})
    async with a_rig(tmp_path, store) as rig:
        dropped = await rig.call("drop", key="b")
        failed = await rig.call("rename", old="a", new="b")
        verdicts = [await rig.undo(tasks=("t1",)) for _ in range(2)]
    assert store.records == {"b": "1"}
    assert verdicts == [
        {failed: "no_effect", dropped: "restored"},
        {failed: "no_effect", dropped: "already"},
    ]


async def test_what_a_forced_undo_brought_back_is_not_called_taken_back(tmp_path: Path) -> None:
    """Out of order by force: the second undo puts back what the first call had made."""
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        first = await rig.call("put", key="a", value="2")
        second = await rig.call("put", key="a", value="3")
        await rig.undo(first, choice="force")
        await rig.undo(second, choice="force")
        verdicts = await rig.undo(tasks=("t1",))
    assert store.records == {"a": "2"}
    assert verdicts == {second: "already", first: "conflict"}


@pytest.mark.parametrize("line", ["step", "verdict"])
@pytest.mark.parametrize("choice", ["refuse", "skip"])
async def test_what_an_undo_that_was_cut_off_took_back_is_not_taken_back_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, choice: Choice
) -> None:
    """Another one finds that, and takes back what came before: the world then looks as the call left it."""
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        calls = [await rig.call("put", key="a", value=value) for value in "12"]
        calls.append(await rig.call("drop", key="a"))
        with monkeypatch.context() as dying:
            dying.setattr(Writer, line, _dies)
            with pytest.raises(JournalError):
                await rig.undo(*calls)
        (cut,) = open_threads(rig.reader)
        assert (await rig.undo(*calls, choice=choice))[calls[2]] == "already"
        again = await rig.undo(*calls, choice=choice)
        resumed = await rig.rollback().resume(cut.record.call_id)
    assert set(again.values()) == {"already"}
    assert {found.verdict for found in resumed.found.values()} == {"already"}
    assert store.records == {}


def _dies(*_: object) -> None:
    raise JournalError("killed")
