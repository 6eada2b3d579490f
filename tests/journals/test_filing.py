"""Calls are found the same before they are filed and after, whoever files them and out of what."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import record
from gateway.core.forget import Forget
from gateway.core.record import MOVES, Line, State
from gateway.errors import JournalError
from gateway.journals import filing
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter, CallRow, EventRow, Pending
from tests.journals.calls import NOON, call_record, intent, outcome, refusal

Walk = list[State]
"""The states of one call, one line each."""


def walks() -> st.SearchStrategy[Walk]:
    """Of a call, as far as they may go."""

    def on(walk: Walk) -> st.SearchStrategy[Walk]:
        to = sorted(MOVES[walk[-1]]) if walk else sorted(MOVES[None])
        return st.sampled_from(to).map(lambda state: [*walk, state]) if to else st.just(walk)

    return on([]).flatmap(on).flatmap(on)


def lines_of(name: str, walk: Walk, at: int) -> list[Line]:
    n = int(name.split("-")[1])
    said = {"agent": f"agent:{n % 2}", "task": f"task é {n % 3}", "grant": "g" * (n % 2)}
    first, *later = walk
    return [
        Line(name, first, at, {}, call_record(name, **said)),
        *(Line(name, state, at + place, {}) for place, state in enumerate(later, 1)),
    ]


def found(path: Path) -> list[Any]:
    """Whatever may be asked of a journal's calls."""
    wheres = (
        CallFilter(),
        CallFilter(agent="agent:1"),
        CallFilter(task="task é 2"),
        CallFilter(grant="g"),
        CallFilter(since=NOON + 300),
        CallFilter(until_after=NOON + 300),
        *(CallFilter(state=state) for state in State),
    )
    with closing(SqliteReader(path)) as reader:
        assert reader.misfiled() == []
        names = [row.record.call_id for row in reader.calls(CallFilter(), 1_000)]
        asked: list[Sequence[CallRow | EventRow] | CallRow | None]
        asked = [reader.calls(where, limit) for where in wheres for limit in (2, 1_000)]
        asked += [reader.call(name) for name in names] + [reader.lines(name) for name in names]
        return asked


def table(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(f"SELECT {filing.COLUMNS} FROM calls ORDER BY call_id").fetchall()


def told_by_lines(path: Path) -> list[tuple[object, ...]]:
    """The table, made of nothing but lines."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM calls")
        db.execute("UPDATE filed SET seq = 0")
        filing.file(db)
        made = db.execute(f"SELECT {filing.COLUMNS} FROM calls ORDER BY call_id").fetchall()
        db.rollback()
    return made


_places = count()


@settings(max_examples=30)
@given(
    st.lists(walks(), min_size=1, max_size=6),
    st.sampled_from([1, 2, 5, 10**6]),
    st.randoms(use_true_random=False),
)
def test_filed_or_not_a_call_is_found_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Walk], at_once: int, random: Any
) -> None:
    path = tmp_path_factory.mktemp(f"{next(_places)}") / "journal.db"
    left = [lines_of(f"call-{n}", walk, NOON + 100 * n) for n, walk in enumerate(steps)]

    async def story() -> list[Any]:
        one, other = await SqliteJournal.open(path), await SqliteJournal.open(path)
        pending: list[Pending] = []
        while left:
            lines = random.choice(left)
            # Some calls are moved on by another process than the one they began in.
            elsewhere = len(lines) == 1 and random.random() < 0.2
            if elsewhere or random.random() < 0.5:
                await asyncio.gather(*(each.sealed() for each in pending))
            pending.append((other if elsewhere else one).append(lines.pop(0)))
            if elsewhere:
                await pending[-1].sealed()
            left[:] = [each for each in left if each]
        await asyncio.gather(*(each.sealed() for each in pending))
        before = found(path)
        await one.aclose()
        await other.aclose()
        return before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filing, "AT_ONCE", at_once)
        before = asyncio.run(asyncio.wait_for(story(), 60))
    assert found(path) == before
    assert table(path) == told_by_lines(path)


async def test_what_a_killed_process_left_is_found_and_filed_by_the_next(tmp_path: Path) -> None:
    path, copy = tmp_path / "one" / "journal.db", tmp_path / "two" / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        await asyncio.gather(
            *(journal.append(refusal(f"call-{n}")).sealed() for n in range(9)),
            journal.append(intent("open")).sealed(),
        )
        shutil.copytree(path.parent, copy.parent)  # as a power cut leaves it
        shutil.rmtree(copy.parent / "runs")
        await journal.aclose()
        assert table(copy) == []
        left = found(copy)
        again = await SqliteJournal.open(copy)
        assert await again.recover() == ["open"]
        with pytest.raises(JournalError, match="refused -> refused"):
            await again.append(refusal("call-3")).sealed()
        await again.aclose()
    assert len(left[1]) == 10
    assert [row[3] for row in table(copy)] == ["refused"] * 9 + ["in_doubt"]


async def test_a_held_call_is_that_of_the_process_that_sends_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        one, other = await SqliteJournal.open(path), await SqliteJournal.open(path)
        for name in ("filed", "since"):
            held = record.held(call_record(name), NOON, {})
            await one.append(held).sealed()
            if name == "filed":
                await one.do(filing.file)
        for name in ("filed", "since"):
            sent = Line(name, State.INTENT, NOON + 1, {})
            await other.append(sent).sealed()
        await one.aclose()
        assert await other.recover() == []
        with pytest.raises(JournalError, match="intent -> intent"):
            again = await SqliteJournal.open(path)
            await again.append(Line("since", State.INTENT, NOON + 2, {})).sealed()
        assert await again.recover() == []
        await other.aclose()
        assert sorted(await again.recover()) == ["filed", "since"]
        await again.aclose()


async def test_a_process_of_the_version_before_writes_nothing(tmp_path: Path) -> None:
    """It took the state in a row for the call's."""
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    await journal.append(intent("call-1")).sealed()
    await journal.aclose()
    with (
        closing(sqlite3.connect(path)) as db,
        pytest.raises(sqlite3.OperationalError, match="no such table: call"),
    ):
        db.execute("UPDATE call SET state = 'applied'")


async def test_filing_that_fails_takes_no_line_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    monkeypatch.setattr(filing, "AT_ONCE", 1)
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        sealed = [await journal.append(refusal("call-0")).sealed()]
        await journal.do(lambda db: db.execute("ALTER TABLE filed RENAME TO gone"))
        sealed.append(await journal.append(refusal("call-1")).sealed())
        await journal.do(lambda db: db.execute("ALTER TABLE gone RENAME TO filed"))
        await journal.append(intent("call-2")).sealed()
        await journal.append(outcome("call-2")).sealed()
        await journal.aclose()
    assert [one.seq for one in sealed] == [1, 2]
    assert [row[2:4] for row in table(path)] == [
        ("call-0", "refused"),
        ("call-1", "refused"),
        ("call-2", "applied"),
    ]


async def test_calls_are_filed_when_so_many_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    monkeypatch.setattr(filing, "AT_ONCE", 3)
    filed = []
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        for n in range(4):
            await journal.append(refusal(f"call-{n}")).sealed()
            await journal.do(lambda _: None)  # what comes after a batch is done by then
            filed.append(len(table(path)))
        await journal.aclose()
    assert filed == [0, 0, 3, 3]


async def test_what_a_call_that_is_not_filed_left_behind_is_forgotten_with_it(
    tmp_path: Path,
) -> None:
    note = "INSERT INTO remembered (kind, owner, name, at, body) VALUES ('link', 'ann', 'x', ?, '')"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        await journal.append(intent("call-1", at=NOON)).sealed()
        seq = (await journal.append(outcome("call-1", at=NOON + 10)).sealed()).seq
        await journal.do(lambda db: db.execute(note, (NOON + 5,)))
        forget = record.noted(call_record("act"), NOON + 20, {}, (Forget("call-1", (seq,)),))
        await journal.append(forget).sealed()
        left = await journal.do(lambda db: db.execute("SELECT name FROM remembered").fetchall())
        await journal.aclose()
    assert left == []
