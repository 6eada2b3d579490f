"""The open file: what fails is said in one sentence, and a connection that saw it is not used again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import JournalError
from gateway.journals import form
from gateway.journals.entry import Entry
from gateway.journals.sqlitefile import SqliteFile
from gateway.journals.sqlitereader import SqliteReader
from tests.journals.calls import NOON, refusal


def entry(file: SqliteFile, name: str, task: str = "") -> Entry:
    line = refusal(name, task=task)
    return Entry(line, *form.write(line, file.run.id))


def note(connection: sqlite3.Connection) -> None:
    values = "VALUES ('', '', '', 0, hex(zeroblob(99999)))"
    connection.execute(f"INSERT INTO remembered (kind, owner, name, at, body) {values}")


def fail(connection: sqlite3.Connection) -> None:
    raise LookupError


def begin_and_fail(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    raise LookupError


@pytest.mark.parametrize(
    "do",
    [SqliteFile.abandoned, lambda file: file.on(file._file), lambda file: file.write((), [note])],
    ids=["recovery", "the writer", "a note"],
)
def test_a_disk_too_full_for_calls_to_be_filed_is_said_to_be(
    tmp_path: Path, do: Callable[[SqliteFile], object]
) -> None:
    file = SqliteFile.open(tmp_path / "journal.db", NOON)
    file.write([entry(file, f"call-{n}", task=f"{n}" * 50_000) for n in range(4)])
    full = file._connected()
    [pages] = full.execute("PRAGMA page_count").fetchone()
    full.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full"):
        do(file)
    assert file._connected() is not full
    assert file._connected().execute("PRAGMA synchronous").fetchone() == (2,)
    assert file.write([entry(file, "call-4")])[0] == [5]
    file.close()


def test_a_disk_too_full_for_lines_that_are_judged_one_by_one_is_said_to_be(tmp_path: Path) -> None:
    file = SqliteFile.open(tmp_path / "journal.db", NOON)
    full = file._connected()
    file.write([entry(file, "call-0")])
    [pages] = full.execute("PRAGMA page_count").fetchone()
    full.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full"):
        file.write([entry(file, "call-0"), entry(file, "call-1", task="x" * 50_000)])
    assert file.write([entry(file, "call-1")])[0] == [2]
    file.close()


@pytest.mark.parametrize("lines", [0, 1])
def test_work_that_fails_leaves_no_transaction_and_lines_wait_for_the_disk(
    tmp_path: Path, lines: int
) -> None:
    file = SqliteFile.open(tmp_path / "journal.db", NOON)
    with pytest.raises(LookupError):
        file.write([entry(file, f"call-{n}") for n in range(lines)], [fail])
    with pytest.raises(LookupError):
        file.on(begin_and_fail)
    other = SqliteFile.open(tmp_path / "journal.db", NOON)
    assert other.write([entry(other, "call-1")])[0] == [1]
    other.close()
    assert file._connected().execute("PRAGMA synchronous").fetchone() == (2,)
    file.close()


def test_a_closed_journal_is_whole_without_its_log_whoever_else_has_it_open(tmp_path: Path) -> None:
    file = SqliteFile.open(tmp_path / "journal.db", NOON)
    with closing(SqliteReader(tmp_path / "journal.db")) as reader:
        file.write([entry(file, name) for name in "abc"], [])
        seen = reader.last_seq()
        file.close()
        shutil.copyfile(tmp_path / "journal.db", tmp_path / "copy.db")
    with closing(SqliteReader(tmp_path / "copy.db")) as copy:
        assert copy.last_seq() == seen == 3
