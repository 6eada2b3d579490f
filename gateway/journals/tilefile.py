"""Where the Merkle log's hashes and checkpoints lie: a SQLite file beside the journal's.

A file of its own, so that the log never waits for the journal's writer nor the writer for it. It knows
rows of bytes: no tree and no signature.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway.errors import JournalError
from gateway.files.private import make_file
from gateway.journals.runs import one_at_a_time

T = TypeVar("T")

Tile = tuple[int, int, bytes]
"""Level, number, hashes."""

migrations = Migrations("bulkhead.evidence")
BUSY_SECONDS: Final = 5.0


@migrations()
def first(db: Database) -> None:
    """Tiles and checkpoints."""
    db.execute(
        "CREATE TABLE tile (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,"
        " PRIMARY KEY (level, number)) STRICT, WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL)"
        " STRICT"
    )


class TileFile:
    """One open file. Not thread-safe. Its methods raise `JournalError` when the file fails."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. Raises `JournalError`."""
        self._path = path
        self._db = self._or_fail(self._opened)
        self._inode = self._or_fail(lambda: os.stat(path).st_ino)

    def tile(self, level: int, number: int) -> bytes:
        """Its hashes; none when there is no such tile."""
        rows = self._query("SELECT hashes FROM tile WHERE level = ? AND number = ?", level, number)
        return bytes(rows[0][0]) if rows else b""

    def last(self) -> tuple[int, bytes]:
        """Number and hashes of the last tile of leaves; (0, nothing) when there is none."""
        rows = self._query(
            "SELECT number, hashes FROM tile WHERE level = 0 ORDER BY number DESC LIMIT 1"
        )
        return (int(rows[0][0]), bytes(rows[0][1])) if rows else (0, b"")

    def lengths(self) -> list[tuple[int, int, int]]:
        """Level, number and bytes of every tile there is."""
        rows = self._query("SELECT level, number, length(hashes) FROM tile ORDER BY level, number")
        return [(int(level), int(number), int(length)) for level, number, length in rows]

    def put(self, tiles: Sequence[Tile]) -> None:
        """Write these tiles, all or none."""
        self._write("INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", tiles)

    def keep(self, size: int, at: int, note: str) -> None:
        """Keep a signed checkpoint. `at`: microseconds since the epoch."""
        self._write("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?)", [(size, at, note)])

    def checkpoint(self, covering: int = 0) -> str | None:
        """The newest checkpoint if it covers that many leaves; None when none does."""
        rows = self._query(
            "SELECT note FROM checkpoint WHERE size >= ? ORDER BY size DESC LIMIT 1", covering
        )
        return str(rows[0][0]) if rows else None

    def checkpoints(self) -> list[tuple[int, str]]:
        """All of them, and how many leaves each is kept as covering; oldest first."""
        rows = self._query("SELECT size, note FROM checkpoint ORDER BY size")
        return [(int(size), str(note)) for size, note in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _opened(self) -> Database:
        make_file(self._path)
        connection = sqlite3.connect(self._path, check_same_thread=False, timeout=BUSY_SECONDS)
        try:
            db = Database(connection, execute_plugins=False)
            # Who finds another making the file would not wait for it, whatever the timeout.
            with one_at_a_time(self._path.parent / "runs"):
                db.enable_wal()
                # What a power cut takes is worked out again from the journal, which keeps what it sealed.
                db.execute("PRAGMA synchronous = NORMAL")
                migrations.apply(db)
        except (sqlite3.Error, OSError):
            connection.close()
            raise
        return db

    def _query(self, sql: str, *values: int) -> list[tuple[Any, ...]]:
        def found() -> list[tuple[Any, ...]]:
            self._be_here()
            return self._db.execute(sql, values).fetchall()

        return self._or_fail(found)

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        def written() -> None:
            self._be_here()
            with self._db.atomic():
                self._db.conn.executemany(sql, rows)

        self._or_fail(written)

    def _be_here(self) -> None:
        """What is written to a file without a name, nobody finds again."""
        if os.stat(self._path).st_ino != self._inode:
            raise OSError("it was moved away, and there is another in its place")

    def _or_fail(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{self._path}: {error}") from None
