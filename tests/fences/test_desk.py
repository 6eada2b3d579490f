"""What is contained is over also where it had not begun: a held call is not sent once its fence is lifted."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from gateway.core import approval, record
from gateway.core.approval import Leave, Word
from gateway.core.fence import Caught, Fence, Ring
from gateway.core.grant import End, Give
from gateway.core.record import Line, State, move
from gateway.errors import JournalError, Refused
from gateway.fences.desk import Desk
from gateway.fences.log import FenceLog
from gateway.journals.sqlite import SqliteJournal
from gateway.ports import CallFilter, Pending
from gateway.values import replace
from tests.core.test_approval import ticket
from tests.grants.given import NOON, grant
from tests.journals.calls import call_record
from tests.undo.holding import BEFORE, Holding, desk, sent
from tests.undo.rig import Rig, Store, a_rig

FENCE = Fence("agent", "agent:a", "operator:o", "odd", BEFORE)


def _desk(rig: Rig, home: Path) -> Desk:
    parts = rig.parts
    return Desk(
        log=FenceLog(home),
        journal=parts.journal,
        reader=parts.reader,
        grants=rig.journal.grants(),
        tickets=rig.journal.tickets(),
        protector=parts.protector,
        tenant="local",
        clock=parts.clock,
        new_call_id=parts.new_call_id,
    )


async def test_a_held_call_of_whom_was_contained_is_not_sent_after_the_fence_is_lifted(
    tmp_path: Path,
) -> None:
    store = Store({"a": "old", "b": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        fenced = await rig.call("put", key="a", value="new")
        others = await rig.call("put", key="b", value="new", agent="agent:b")
        at = _desk(rig, tmp_path)
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(FENCE)
            contained = await at.contain([FENCE])
            assert await at.lift([FENCE], "operator:o", "") == (FENCE,)
        await sent(rig)
        found = rig.reader.call(fenced)
    assert contained.unsent == (fenced,)
    assert others not in contained.unsent
    assert store.records == {"a": "old", "b": "new"}
    assert found is not None
    assert (found.state, found.outcome["reason"]) == ("refused", "fenced")
    assert found.outcome["detail"] == "fenced: agent agent:a (operator:o: odd)"


async def test_who_takes_a_held_call_back_first_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_rig(tmp_path, Store(), Holding("put")) as rig:
        call, stays = [await rig.call("put", key=key, value="new") for key in "ab"]
        at = _desk(rig, tmp_path)
        rows = [rig.reader.call(one) for one in (call, stays)]
        await desk(rig).cancel(call, "operator:o")
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            looks = iter([rows, []])
            with monkeypatch.context() as patched:
                patched.setattr(Desk, "_held", lambda *_: next(looks))
                unsent = await at._unsent([FENCE])
        found = rig.reader.call(call)
    assert unsent == (stays,)
    assert found is not None
    assert found.state == "cancelled"


async def test_a_held_call_that_cannot_be_refused_is_not_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_rig(tmp_path, Store(), Holding("put")) as rig:
        await rig.call("put", key="a", value="new")
        at = _desk(rig, tmp_path)

        def full(line: object) -> None:
            raise JournalError("no space left on device")

        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            with monkeypatch.context() as patched:
                patched.setattr(type(at.journal), "append", lambda self, line: full(line))
                with pytest.raises(JournalError, match="no space"):
                    await at._unsent([FENCE])


async def test_what_was_handed_on_is_contained_with_what_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who delegated is stopped: a sub-agent's held call, and one under way, are of that, too."""
    monkeypatch.setattr("gateway.fences.desk.PATIENCE", 0.1)
    top = grant("a")
    below = grant("b", top)
    async with a_rig(tmp_path, Store(), Holding("put")) as rig:
        for one in (top, below, grant("c")):
            await _noted(rig, record.noted(call_record(f"given {one.id}"), NOON, {}, (Give(one),)))
        for name in "bc":
            entry = replace(call_record(f"work {name}"), agent=f"agent:{name}", grant=name)
            await _noted(rig, record.intent(entry, NOON))
            held = replace(entry, call_id=f"later {name}")
            await _noted(rig, Line(held.call_id, move(None, State.HELD), NOON, {}, held))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(FENCE)
            contained = await at.contain([FENCE])
    assert (contained.revoked, contained.under_way) == (("a",), ("work b",))
    assert contained.unsent == ("later b",)


async def test_what_was_handed_on_and_is_over_is_found_without_reading_what_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no end to it, and who contains waits."""
    monkeypatch.setattr("gateway.fences.desk.PATIENCE", 0.1)
    top = grant("a")
    async with a_rig(tmp_path, Store()) as rig:
        for one in (top, grant("b", top), grant("c")):
            await _noted(rig, record.noted(call_record(f"given {one.id}"), NOON, {}, (Give(one),)))
        entry = replace(call_record("work b"), agent="agent:b", grant="b")
        await _noted(rig, record.intent(entry, NOON))
        for name in "bc":
            end = End(name, "completed", "operator:o")
            await _noted(rig, record.noted(call_record(f"over {name}"), NOON, {}, (end,)))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
            file.execute("UPDATE \"grant\" SET document = 'unreadable' WHERE id <> 'a'")
            file.commit()
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(FENCE)
            contained = await at.contain([FENCE])
    assert (contained.revoked, contained.under_way) == (("a",), ("work b",))


async def test_who_works_below_is_stopped_before_the_first_grant_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a commit, and there may be thousands: the sub-agents of the last one would go on for so long."""
    tops = [grant("a"), replace(grant("x"), agent="agent:a")]
    below = grant("b", tops[1])
    work = Caught("agent:b", "local", "b", (below.id, *(one.id for one in tops[1:])))
    async with a_rig(tmp_path, Store()) as rig:
        for one in (*tops, below):
            await _noted(rig, record.noted(call_record(f"given {one.id}"), NOON, {}, (Give(one),)))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        stopped, append = list[bool](), type(at.journal).append

        def looking(journal: SqliteJournal, line: Line) -> Pending:
            stopped.append(Ring(at.log.read()).around(work) is not None)
            return append(journal, line)

        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(FENCE)
            with monkeypatch.context() as patched:
                patched.setattr(type(at.journal), "append", looking)
                contained = await at.contain([FENCE])
    assert contained.revoked == ("a", "x")
    assert len(stopped) == 3 and all(stopped)


async def test_a_revoked_grant_is_on_record_with_the_fence_that_took_it(tmp_path: Path) -> None:
    fences = [FENCE, replace(FENCE, value="agent:b")]
    async with a_rig(tmp_path, Store()) as rig:
        for one in (grant("a"), grant("b")):
            await _noted(rig, record.noted(call_record(f"given {one.id}"), NOON, {}, (Give(one),)))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(*fences)
            await at.contain(fences)
            rows = rig.reader.calls(CallFilter(state=State.NOTED), 10)
    taken = [row.record for row in rows if row.record.method == "fences/revoked"]
    assert {one.grant: one.target for one in taken} == {"a": "agent agent:a", "b": "agent agent:b"}


async def test_leave_that_was_not_used_is_no_good_after_the_fence_is_lifted(tmp_path: Path) -> None:
    """Of one call, and of a window: whoever answered for the agent did so before it was stopped. That of others is."""
    window = {"kind": "window", "asked_by": "operator:ada", "task": "", "tool": ""}
    asked = [
        ticket("one call", digest="1"),
        ticket("a window", digest="2", **window),
        ticket("of b", digest="3", agent="agent:b", asked_by="agent:b"),
    ]
    waiting = ticket("waiting", digest="4")
    async with a_rig(tmp_path, Store()) as rig:
        for one in (*asked, waiting):
            await rig.journal.tickets().ask(one)
        for one in asked:
            word = Word(one.id, "approved", "operator:grace", NOON, NOON + approval.LEAVE_SECONDS)
            await _noted(rig, record.noted(call_record(f"ok {one.id}"), NOON, {}, (word,)))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            at.log.fence(FENCE)
            contained = await at.contain([FENCE])
            await at.lift([FENCE], "operator:o", "")
            again = await at.contain([])
        for name in ("one call", "a window"):
            use = Leave(name, "work", NOON + 2)
            with pytest.raises(Refused, match="closed"):
                await _noted(rig, record.noted(call_record(f"use {name}"), NOON, {}, (use,)))
        use = Leave("of b", "work", NOON + 2)
        await _noted(rig, record.noted(call_record("use"), NOON, {}, (use,)))
        after = await rig.journal.tickets().find("waiting")
    assert {*contained.closed} == {"one call", "a window"}
    assert again.closed == ()
    assert after == waiting


async def test_thousands_of_grants_are_revoked_a_few_hundred_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them: also behind one that has ended by another hand meanwhile."""
    monkeypatch.setattr("gateway.fences.desk.TOGETHER", 2)
    each = [replace(grant(name), agent="agent:a") for name in "vwxyz"]
    async with a_rig(tmp_path, Store()) as rig:
        for one in each:
            await _noted(rig, record.noted(call_record(f"given {one.id}"), NOON, {}, (Give(one),)))
        at = replace(_desk(rig, tmp_path), clock=lambda: NOON + 1)
        with anyio.fail_after(20), closing(at.log), closing(at.grants):
            found = at._concerned([FENCE])
            gone = (End("w", "completed", ""),)
            await _noted(rig, record.noted(call_record("by another hand"), NOON, {}, gone))
            revoked = await at._revoke(found)
            stand = {name: at.grants.find(name) for name in "vwxyz"}
    assert {*revoked} == {*"vxyz"}
    words = {name: one and one.word(NOON + 2) for name, one in stand.items()}
    assert words == {**dict.fromkeys("vxyz", "revoked"), "w": "completed"}


async def _noted(rig: Rig, line: Line) -> None:
    await rig.journal.append(line).sealed()
