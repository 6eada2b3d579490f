"""Reading a journal file changes nothing in it and needs no right to."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.record import Line, State
from gateway.errors import JournalError, Misconfigured
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from tests.journals.calls import NOON, intent, outcome


async def _written(path: Path, *lines: Line) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        for line in lines:
            await journal.append(line).sealed()
        await journal.aclose()


async def test_a_reader_opened_before_sees_what_is_written_after(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        with closing(SqliteReader(path)) as reader:
            before = reader.last_seq()
            await journal.append(intent("call-1")).sealed()
            after = reader.last_seq()
            states = [row.state for row in reader.calls(CallFilter(), 5)]
        await journal.aclose()
    assert (before, after, states) == (0, 1, [State.INTENT])


async def test_the_lines_of_one_call_are_found_among_all_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    late = Line("call-1", State.APPLIED, NOON + 9, {"outcome": "ok"})
    await _written(
        path,
        intent("call-1"),
        intent("call-2"),
        outcome("call-1", "in_doubt"),
        outcome("call-2"),
        late,
        intent("call-3"),
    )
    with closing(SqliteReader(path)) as reader:
        found = {call: [line.seq for line in reader.lines(call)] for call in ("call-1", "call-2")}
        nobody = list(reader.lines("nobody"))
    assert found == {"call-1": [1, 3, 5], "call-2": [2, 4]}
    assert nobody == []


async def test_the_digest_of_arguments_that_are_kept_as_they_came_is_made_by_who_reads_them(
    tmp_path: Path,
) -> None:
    path, protector, asked = tmp_path / "journal.db", Protector.open(tmp_path), {"b": 1, "a": "é"}
    kept, digest = protector.protect(asked, {})
    await _written(path, intent("call-1", arguments=kept, arguments_digest=digest))
    with closing(SqliteReader(path)) as reader:
        [line], call = reader.lines("call-1"), reader.call("call-1")
    assert digest == ""
    assert call is not None
    assert call.record.arguments_digest == protector.digest(asked)
    assert line.said["record"]["arguments_digest"] == protector.digest(asked)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET body = x'7b' WHERE seq = 2",
        "UPDATE event SET body = NULL WHERE seq = 2",
        "UPDATE event SET body = CAST(replace(hex(zeroblob(50000)), '0', '[') AS BLOB) WHERE seq = 2",
        "UPDATE event SET body = CAST('[]' AS BLOB) WHERE seq = 1",
        "UPDATE event SET kind = 'told' WHERE seq = 2",
        "UPDATE calls SET state = 'told'",
    ],
)
async def test_what_no_gateway_wrote_is_said_in_one_sentence(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "journal.db"
    await _written(path, intent("call-1"), outcome("call-1"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TRIGGER event_no_update")
        file.execute(sql)
        file.commit()
    with closing(SqliteReader(path)) as reader:
        with pytest.raises(JournalError, match="`bulkhead evidence check` names the line"):
            assert reader.calls(CallFilter(), 5) and reader.lines("call-1")
        assert [line.seq for line in reader.filed()] == [1, 2]


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await _written(path, intent("call-1"))
    with closing(SqliteReader(path)) as reader:
        with pytest.raises(JournalError, match="readonly"):
            reader._query("INSERT INTO run (name, started_at) VALUES ('x', 1) RETURNING id", ())
        assert len(reader.events(0, 10)) == 1


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no journal here yet"):
        SqliteReader(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_a_file_that_is_no_journal_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="not a journal") as refused:
        SqliteReader(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("content", "hinted"), [(b"", True), (b"no database at all" * 100, False)])
def test_only_of_a_file_without_our_tables_it_is_said_that_it_may_be_of_an_earlier_version(
    tmp_path: Path, content: bytes, hinted: bool
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(Misconfigured) as refused:
        SqliteReader(path)
    assert ("earlier version" in str(refused.value)) is hinted
