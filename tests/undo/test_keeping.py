"""What nobody confirmed in time is undone, if that is clean, and else a person is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.undo.deadlines import LATE_SECONDS, Deadlines, Promise
from gateway.undo.keeping import keep, take_back
from gateway.undo.rollback import Rollback
from tests.undo.rig import Killed, Rig, Store, a_rig, dies

SECOND = 1_000_000
LATER = 20 * SECOND


async def _kept(rig: Rig, directory: Path, now: int = LATER) -> Promise:
    @asynccontextmanager
    async def opener(operator: str) -> AsyncIterator[Rollback]:
        yield rig.rollback(operator)

    deadlines = Deadlines(directory)
    await keep(deadlines, opener, now)
    promise = deadlines.find("t1")
    assert promise is not None
    return promise


def _begun(directory: Path) -> Deadlines:
    deadlines = Deadlines(directory)
    deadlines.begin("t1", "operator:o", 1, 10)
    return deadlines


async def test_an_unconfirmed_task_is_undone(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        await rig.call("rename", old="a", new="b")
        await rig.call("put", key="z", value="theirs", task="t2")
        early = await _kept(rig, tmp_path, SECOND)
        assert (early.stand, store.records) == ("open", {"b": "2", "z": "theirs"})
        promise = await _kept(rig, tmp_path)
    assert promise.stand == "undone"
    assert store.records == {"a": "1", "z": "theirs"}


async def test_a_task_that_failed_is_undone_at_once_though_nobody_began_it(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="z", value="theirs", task="t2")
        assert Deadlines(tmp_path).fail("t1", "operator:o", LATER).deadline == LATER
        promise = await _kept(rig, tmp_path)
    assert promise.stand == "undone"
    assert store.records == {"a": "1", "z": "theirs"}


async def test_a_task_that_failed_and_is_not_clean_is_left_whole_and_can_fail_again(
    tmp_path: Path,
) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        deadlines = _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="b", value="2")
        store.records["a"] = "a person's"
        deadlines.fail("t1", "operator:else", SECOND)
        asked = await _kept(rig, tmp_path, SECOND)
        assert (asked.stand, store.records) == ("asks", {"a": "a person's", "b": "2"})
        store.records["a"] = "2"
        deadlines.fail("t1", "operator:else", LATER)
        promise = await _kept(rig, tmp_path)
    assert (promise.stand, promise.operator) == ("undone", "operator:o")
    assert store.records == {"a": "1", "b": "1"}


async def test_a_confirmed_task_stays(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        deadlines = _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        deadlines.confirm("t1", SECOND)
        promise = await _kept(rig, tmp_path)
    assert promise.stand == "confirmed"
    assert store.records == {"a": "2"}


async def test_where_a_person_wrote_since_a_person_is_asked(tmp_path: Path) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="b", value="2")
        store.records["a"] = "a person's"
        promise = await _kept(rig, tmp_path)
    assert promise.stand == "asks"
    assert "drift" in promise.why
    assert store.records == {"a": "a person's", "b": "2"}


async def test_a_task_with_a_call_that_has_no_way_back_is_left_to_a_person(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        await rig.call("shout", text="fire")
        promise = await _kept(rig, tmp_path)
    assert promise.stand == "asks"
    assert store.records == {"a": "2"}


async def test_a_deadline_missed_by_long_is_put_to_a_person(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        promise = await _kept(rig, tmp_path, LATER + LATE_SECONDS * SECOND)
    assert promise.stand == "asks"
    assert store.records == {"a": "2"}


async def test_an_undo_that_was_cut_off_is_taken_up_by_the_next_who_looks(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path)
        await rig.call("put", key="b", value="2")
        await rig.call("rename", old="a", new="c")
        store.late = dies("drop")
        with pytest.raises(Killed):
            await _kept(rig, tmp_path)
    store.late = lambda tool, arguments: None
    async with a_rig(tmp_path, store) as rig:
        promise = await _kept(rig, tmp_path)
        assert rig.rollback().unfinished() == []
    assert promise.stand == "undone"
    assert store.records == {"a": "1"}


async def test_a_task_that_cannot_be_seen_to_now_keeps_no_other_waiting(tmp_path: Path) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:

        @asynccontextmanager
        async def opener(operator: str) -> AsyncIterator[Rollback]:
            if operator == "operator:away":
                raise ValueError("something sealed cannot be opened")
            yield rig.rollback(operator)

        deadlines = _begun(tmp_path)
        deadlines.begin("t0", "operator:away", 0, 5)
        (tmp_path / "tasks" / "x.json").write_text("{}")
        await rig.call("put", key="a", value="2")
        with pytest.raises(ValueError, match="cannot be opened"):
            await keep(deadlines, opener, LATER)
        stands = {each.task: each.stand for each in deadlines.look().promises}
    assert (stands, store.records) == ({"t0": "open", "t1": "undone"}, {"a": "1"})


async def test_a_cancelled_task_is_undone_but_for_what_others_changed(tmp_path: Path) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        deadlines = _begun(tmp_path)
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="b", value="2")
        store.records["a"] = "a person's"
        with deadlines.held("t1") as promise:
            assert promise is not None
            report = await take_back(deadlines, promise, rig.rollback())
    assert report.exit_status == 4
    assert store.records == {"a": "a person's", "b": "1"}


async def test_a_task_of_several_tenants_is_nobodys_to_undo_until_it_is_said_whose(
    tmp_path: Path,
) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        _begun(tmp_path).begin("t1", "operator:o", 1, 10, "acme")
        await rig.call("put", key="a", value="2", tenant="acme")
        await rig.call("put", key="b", value="2", tenant="globex")
        nobodys = await _kept(rig, tmp_path)
        acmes = Deadlines(tmp_path).find("t1", "acme")
    assert (nobodys.stand, nobodys.why) == (
        "asks",
        "task t1: in acme and globex: say which tenant's",
    )
    assert acmes is not None
    assert (acmes.stand, store.records) == ("undone", {"b": "2"})
