"""A batch is one transaction, and each line of it is judged by the file, not by what a process believes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.record import State
from gateway.errors import JournalError
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from tests.journals.calls import intent, outcome


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


@pytest.mark.parametrize("wrong", [{"agent": "agent:\ud800"}, {"at": 2**63}], ids=str)
async def test_a_line_the_file_cannot_hold_is_refused_whole_and_alone(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        pending = [
            journal.append(intent("before")),
            journal.append(intent("wrong", **wrong)),  # type: ignore[arg-type]
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
