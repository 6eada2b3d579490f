"""A batch is one transaction, and each line of it is judged by the file, not by what a process believes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core import record
from gateway.core.grant import Give, Spend
from gateway.core.record import Line, State
from gateway.errors import JournalError
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from gateway.values import replace
from tests.grants.given import grant
from tests.journals.calls import NOON, call_record, intent, outcome, refusal
from tests.journals.test_ledger import purse


def settled(call_id: str, at: int) -> Line:
    return record.settled(call_id, at, State.IN_DOUBT, State.APPLIED, {})


def kept(path: Path) -> list[tuple[str, State]]:
    with closing(SqliteReader(path)) as reader:
        return [(event.call_id, event.kind) for event in reader.events(0, 10_000)]


async def test_a_process_that_believes_a_call_open_is_corrected_by_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        one, other = await SqliteJournal.open(path), await SqliteJournal.open(path)
        await one.append(intent("call-1")).sealed()
        await other.append(outcome("call-1", "rejected")).sealed()
        late = one.append(outcome("call-1", "ok"))
        beside = one.append(intent("call-2"))
        with pytest.raises(JournalError, match="rejected -> applied"):
            await late.sealed()
        await beside.sealed()
        await one.aclose()
        await other.aclose()
    assert kept(path) == [
        ("call-1", State.INTENT),
        ("call-1", State.REJECTED),
        ("call-2", State.INTENT),
    ]


async def test_a_call_that_begins_and_ends_in_one_batch_is_one_row_that_says_how(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        pending = [
            journal.append(intent("call-1", at=NOON)),
            journal.append(outcome("call-1", "in_doubt", at=NOON + 5)),
            journal.append(intent("call-2", at=NOON + 1)),
            journal.append(settled("call-1", at=NOON + 9)),
        ]
        seqs = [(await each.sealed()).seq for each in pending]
        late = journal.append(outcome("call-2", "ok", at=NOON + 20))
        seqs.append((await late.sealed()).seq)
        await journal.aclose()
    with closing(SqliteReader(path)) as reader:
        calls = reader.calls(CallFilter(), 10)
        lines = [event.seq for event in reader.lines("call-1")]
    assert seqs == [1, 2, 3, 4, 5]
    assert [(row.record.call_id, row.state, row.created_at, row.settled_at) for row in calls] == [
        ("call-2", State.APPLIED, NOON + 1, NOON + 20),
        ("call-1", State.APPLIED, NOON, NOON + 9),
    ]
    assert lines == [1, 2, 4]


async def test_of_two_calls_of_one_name_in_one_batch_the_second_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        one, other = await SqliteJournal.open(path), await SqliteJournal.open(path)
        await one.append(intent("elsewhere")).sealed()
        pending = [
            other.append(refusal("call-1")),
            other.append(refusal("call-1")),
            other.append(intent("elsewhere")),
        ]
        results = await asyncio.gather(*(p.sealed() for p in pending), return_exceptions=True)
        await one.aclose()
        await other.aclose()
    assert [isinstance(result, JournalError) for result in results] == [False, True, True]
    assert kept(path) == [("elsewhere", State.INTENT), ("call-1", State.REFUSED)]


async def test_a_line_the_file_cannot_hold_is_refused_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        pending = [
            journal.append(intent("before")),
            journal.append(intent("wrong", at=2**63)),
            journal.append(intent("after")),
        ]
        results = await asyncio.gather(*(p.sealed() for p in pending), return_exceptions=True)
        await journal.append(intent("later")).sealed()
        await journal.aclose()
    with closing(SqliteReader(path)) as reader:
        calls = [row.record.call_id for row in reader.calls(CallFilter(), 10)]
    assert [isinstance(result, JournalError) for result in results] == [False, True, False]
    assert kept(path) == [(name, State.INTENT) for name in ("before", "after", "later")]
    assert calls == ["later", "after", "before"]


async def test_a_line_the_file_cannot_hold_takes_back_what_it_had_taken(tmp_path: Path) -> None:
    """Its claims are taken before it is written: a grant, and a use of another."""
    async with asyncio.timeout(20), purse(tmp_path / "journal.db", grant("g1", uses=2)) as one:
        claims = (Give(grant("g2")), Spend(("g1",), 0, 0, NOON))
        bad = replace(record.noted(call_record("act"), 2**70, {}, ()), claims=claims)
        lines = [one.journal.append(bad), one.journal.append(intent("beside"))]
        with pytest.raises(JournalError, match="OverflowError"):
            await lines[0].sealed()
        await lines[1].sealed()
        given, used = one.store.find("g2"), one.standing("g1").used
        left = [await one.spend("g1") for _ in range(3)]
    assert (given, used) == (None, 0)
    assert [said.partition(":")[0] for said in left] == ["", "", "grant_spent"]
