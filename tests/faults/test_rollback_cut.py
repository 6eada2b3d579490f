"""A rollback that ends anywhere, as at a kill, and is taken up again: the same world, the same verdicts.

Enumerated, not drawn: every journal line a rollback writes is once the last one that was not written,
and once the last one that was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest

from gateway.core.model import Outcome
from gateway.core.record import Permit
from gateway.errors import JournalError
from gateway.ports import Outbound
from gateway.undo.report import Report
from gateway.undo.select import Wanted
from gateway.values import replace
from tests.undo.rig import Killed, Rig, Store, a_rig, dies

Mode = Literal["unwritten", "written", "full"]
MEANT = {"a": "1"}


class Death:
    """Ends everything at the nth line from now on; `full`: nothing can be written any more, and that is said."""

    def __init__(self, journal: Any, at: int, mode: Mode) -> None:
        self.left = at
        self.mode = mode
        self.end = JournalError("no space left") if mode == "full" else Killed()
        self.struck = False
        self._append = journal.append
        self._journal = journal
        journal.append = self.append

    def over(self) -> None:
        """The next process writes again."""
        del self._journal.append

    def append(self, line: Any) -> Any:
        if self.struck:
            raise self.end
        self.left -= 1
        if self.left >= 0:
            return self._append(line)
        self.struck = True
        if self.mode == "written":
            self._append(line)
        raise self.end


async def _harm(rig: Rig) -> None:
    await rig.call("put", key="a", value="2")
    await rig.call("rename", old="a", new="b")
    await rig.call("put", key="c", value="x")


async def _harm_after_an_undo(rig: Rig) -> None:
    """The first two are taken back already, and can only be looked at when the last two are."""
    await rig.call("rename", old="a", new="b")
    await rig.call("rename", old="b", new="c")
    await rig.undo(tasks=("t1",))
    await rig.call("put", key="b", value="2")
    await rig.call("put", key="c", value="x")


async def _undone(rig: Rig) -> Report:
    """As an operator would: what is open is taken up, then the task is undone."""
    rollback = rig.rollback()
    async with asyncio.timeout(30):
        for undo_id in rollback.unfinished():
            return await rollback.resume(undo_id)
        plan = await rollback.plan(Wanted(tasks=("t1",)))
        return await rollback.execute(plan, "refuse")


async def _cut_at(
    directory: Path,
    at: int,
    mode: Mode,
    harm: Callable[[Rig], Awaitable[None]] = _harm,
    store: Store | None = None,
) -> tuple[bool, Store, Report]:
    """Was it cut; the world; the report of whoever came last."""
    store = store or Store(dict(MEANT))
    cut = False
    async with a_rig(directory, store) as rig:
        await harm(rig)
        death = Death(rig.parts.journal, at, mode)
        try:
            report = await _undone(rig)
        except (Killed, JournalError):
            cut = True
        finally:
            death.over()
        assert cut is death.struck
    if cut:
        async with a_rig(directory, store) as rig:
            report = await _undone(rig)
            assert rig.rollback().unfinished() == []
    return cut, store, report


@pytest.mark.parametrize("mode", ["unwritten", "written", "full"])
async def test_p6_cut_off_at_every_line_it_comes_to_the_same_end(
    tmp_path: Path, mode: Mode
) -> None:
    for at in count():
        directory = tmp_path / str(at)
        directory.mkdir()
        cut, store, report = await _cut_at(directory, at, mode)
        verdicts = {found.verdict for found in report.found.values()}
        assert store.records == MEANT, f"cut at line {at}"
        assert verdicts <= {"restored", "already"}, f"cut at line {at}: {report.found}"
        # Put twice at most, for it may be; renamed back once, for it may not.
        assert store.writes().count("drop") <= 2
        if not cut:
            break
    assert at > 20


@pytest.mark.parametrize("mode", ["unwritten", "written", "full"])
async def test_p6_a_rollback_after_a_rollback_is_cut_off_at_every_line(
    tmp_path: Path, mode: Mode
) -> None:
    for at in count():
        directory = tmp_path / str(at)
        directory.mkdir()
        cut, store, report = await _cut_at(directory, at, mode, _harm_after_an_undo)
        verdicts = {found.verdict for found in report.found.values()}
        assert store.records == MEANT, f"cut at line {at}"
        assert verdicts <= {"restored", "already"}, f"cut at line {at}: {report.found}"
        if not cut:
            break
    assert at > 20


class Folding(Store):
    """To it `A` and `a` are one record; to its pack they are two."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        given = message.params["arguments"]
        params = {**message.params, "arguments": {**given, "key": given["key"].lower()}}
        return await super().call(permit, replace(message, params=params), channel)


async def _harm_one_by_two_names(rig: Rig) -> None:
    """Undone side by side, the first call's work comes back when its own undo is done."""
    await rig.call("put", key="A", value="2")
    await rig.call("put", key="a", value="1")
    await rig.call("put", key="a", value="2")


@pytest.mark.parametrize("mode", ["unwritten", "written", "full"])
async def test_p6_cut_off_at_every_line_what_came_back_too_early_is_not_called_restored(
    tmp_path: Path, mode: Mode
) -> None:
    for at in count():
        directory = tmp_path / str(at)
        directory.mkdir()
        store = Folding(dict(MEANT))
        cut, _, report = await _cut_at(directory, at, mode, _harm_one_by_two_names, store)
        is_back = store.records == MEANT
        assert is_back or report.summary != "complete", f"cut at line {at}: {report.found}"
        if not cut:
            break
    assert at > 20
    assert not is_back


async def test_p5_what_a_person_wrote_while_it_was_cut_off_stays(tmp_path: Path) -> None:
    store = Store(dict(MEANT))
    async with a_rig(tmp_path, store) as rig:
        await rig.call("put", key="a", value="2")
        await rig.call("put", key="b", value="x")
        store.late = dies("drop")
        with pytest.raises(Killed):
            await _undone(rig)
    store.late = lambda tool, arguments: None
    store.records["a"] = "a person's"
    async with a_rig(tmp_path, store) as rig:
        report = await _undone(rig)
    assert store.records == {"a": "a person's"}
    # It is not as it was, whether or not it was put back before the person wrote.
    verdicts = {found.verdict for found in report.found.values()}
    assert verdicts in ({"conflict", "restored"}, {"unverified", "restored"})
