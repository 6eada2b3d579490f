"""The journal's tables: made once, never shrunk, never believed when they come from the future."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from gateway.core.grant import End, Grant
from gateway.errors import Misconfigured
from gateway.journals import schema
from gateway.journals.sqlite import SqliteJournal
from gateway.values import as_json
from tests.grants.given import grant
from tests.journals.calls import intent, outcome
from tests.journals.test_ledger import purse


async def _written(path: Path) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        await journal.append(intent("call-1")).sealed()
        await journal.append(outcome("call-1")).sealed()
        await journal.aclose()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET body = x'00'",
        "UPDATE event SET kind = 'failed' WHERE seq = 2",
        "DELETE FROM event",
        "DELETE FROM event WHERE seq = 2",
        "REPLACE INTO event (seq, call_id, kind, at, body) VALUES (1, 'x', 'intent', 0, x'00')",
    ],
)
async def test_events_are_append_only_for_everyone(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "journal.db"
    await _written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        before = connection.execute("SELECT * FROM event").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
        after = connection.execute("SELECT * FROM event").fetchall()
    assert before == after
    assert len(after) == 2


async def test_the_file_survives_power_cuts_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.db"
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        await journal.append(intent("call-1")).sealed()
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        writing = journal._file._connection
        assert writing is not None
        [(mode,)] = writing.execute("PRAGMA journal_mode")
        [(synchronous,)] = writing.execute("PRAGMA synchronous")
        await journal.aclose()
    # 2 is FULL: the log is synced at every commit.
    assert (mode, synchronous) == ("wal", 2)
    assert modes == {
        "journal.db": 0o600,
        "journal.db-wal": 0o600,
        "journal.db-shm": 0o600,
        "runs": 0o700,
        "secrets": 0o700,
    }
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_processes_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def start(name: str) -> None:
        journal = await SqliteJournal.open(path)
        await journal.append(intent(name)).sealed()
        await journal.aclose()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: asyncio.run(start(f"call-{n}")), range(6)))
    with closing(sqlite3.connect(path)) as connection:
        [(calls,)] = connection.execute("SELECT count(*) FROM calls")
        [(applied,)] = connection.execute("SELECT count(*) FROM _sqlite_migrations")
    assert (calls, applied) == (6, len(schema.migrations._migrations))


async def test_a_journal_of_a_newer_bulkhead_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await _written(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, '')",
            (schema.migrations.name, "from_the_future"),
        )
        connection.commit()
    with pytest.raises(Misconfigured, match="newer bulkhead") as refused:
        await SqliteJournal.open(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "rubbish", [b"not a database " * 500, b"SQLite format 3\0" + b"\1" * 4_000]
)
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, rubbish: bytes
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(rubbish)
    with pytest.raises(Misconfigured) as refused:
        await SqliteJournal.open(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert path.read_bytes() == rubbish


async def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a directory")
    with pytest.raises(Misconfigured, match="cannot be opened"):
        await SqliteJournal.open(tmp_path / "state" / "journal.db")


async def test_what_was_left_of_grants_is_left_of_them_after_the_purses_were_made_small(
    tmp_path: Path,
) -> None:
    """A file as it was before the migration `purses`: given, spent, revoked."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as connection:
        schema.migrations.apply(Database(connection, execute_plugins=False), stop_before="purses")
        _old_grant(connection, grant("a", uses=5), 3, "active")
        _old_grant(connection, grant("b", grant("a", uses=5), bytes=90), 3, "active")
        _old_grant(connection, grant("o"), 0, "revoked")
        connection.commit()
    async with purse(path) as one:
        before = [(row.grant.id, row.state, row.used, row.uses) for row in one.store.all()]
        said = [await one.spend("b", "a", size=9), await one.spend("o")]
        await one.claim(End("a", "completed", "operator:ada"))
        after = {row.grant.id: (row.state, row.used, row.bytes) for row in one.store.all()}
    assert sorted(before) == [
        ("a", "active", 3, 2),
        ("b", "active", 3, None),
        ("o", "revoked", 0, None),
    ]
    assert said == ["", "grant_over: grant o: it was revoked or completed"]
    assert after == {
        "a": ("completed", 4, None),
        "b": ("completed", 4, 81),
        "o": ("revoked", 0, None),
    }


def _old_grant(connection: sqlite3.Connection, given: Grant, used: int, state: str) -> None:
    terms = given.terms
    document = as_json(given)
    rev = connection.execute('SELECT count(*) + 1 FROM "grant"').fetchone()[0]
    connection.execute(
        "INSERT INTO \"grant\" VALUES (?, ?, ?, '', ?, ?)",
        (given.id, rev, document, given.task, given.root_task),
    )
    connection.execute(
        "INSERT INTO purse VALUES (?, ?, ?, ?, ?, NULL, ?, ?, ?, NULL, ?, NULL, 1, 0)",
        (
            f"{given.root}/{given.id}",
            given.id,
            given.parent,
            state,
            given.expires_at,
            given.created_at,
            used,
            None if terms.uses is None else terms.uses - used,
            terms.bytes,
        ),
    )
