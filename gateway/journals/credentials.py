"""Leases of credentials in the journal's database: which gateway process has the secret of each, and where it stands.

A row says what must be ended and how its provider knows it; the secret is in that process's memory and
nowhere else. A process that has ended leaves rows, and the next one takes them over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.core.credential import LIVE, CredentialLease, Moved
from gateway.errors import JournalError
from gateway.journals import runs
from gateway.journals.leases import Desk
from gateway.values import as_json, from_json, replace

DAYS: Final = 30
"""How long the row of a lease that is over is kept. Its lines in the journal stay."""
_LIVE: Final = f"state IN ({', '.join(repr(str(state)) for state in sorted(LIVE))})"


# In the thread that owns the connection:


def take(connection: sqlite3.Connection, moved: Sequence[Moved]) -> None:
    """The rows as they now stand, inside the transaction of a line."""
    _write(connection, [each.lease for each in moved])


def _write(connection: sqlite3.Connection, leases: Sequence[CredentialLease]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO credential (id, run, state, asked_at, document) VALUES (?, ?, ?, ?, ?)",
        [(each.id, each.run, each.state.value, each.asked_at, as_json(each)) for each in leases],
    )


def _adopt(
    connection: sqlite3.Connection, run: str, runs_at: Path, oldest: int
) -> list[CredentialLease]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"DELETE FROM credential WHERE asked_at < ? AND NOT {_LIVE}", (oldest,))
        held = connection.execute(f"SELECT DISTINCT run FROM credential WHERE {_LIVE}").fetchall()
        gone = [each for (each,) in held if each != run and runs.is_gone(runs_at, each)]
        found = [row for each in gone for row in _rows(connection, f"{_LIVE} AND run = ?", each)]
        adopted = [replace(row, run=run) for row in found]
        _write(connection, adopted)
        connection.execute("COMMIT")
        return adopted
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _rows(connection: sqlite3.Connection, condition: str, *values: object) -> list[CredentialLease]:
    found = connection.execute(f"SELECT document FROM credential WHERE {condition}", values)
    return [from_json(CredentialLease, document) for (document,) in found]


def _newest_first(connection: sqlite3.Connection, live: bool) -> list[CredentialLease]:
    return _rows(connection, f"{_LIVE if live else '1'} ORDER BY asked_at DESC")


def read(path: Path, *, live: bool) -> list[CredentialLease]:
    """The leases of a journal's file, newest first, also while gateways write. Raises `JournalError`."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
            return _newest_first(connection, live)
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from None


# On the event loop:


class SqliteCredentials:
    """`credential_ports.CredentialLedger` in a journal's file."""

    def __init__(self, desk: Desk, path: Path, clock: Callable[[], int]) -> None:
        """`clock`: microseconds since the epoch. Raises `sqlite3.Error` when there is no journal."""
        self._desk = desk
        self._path = path
        self._clock = clock
        self._read = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)

    @property
    def run(self) -> str:
        """See `CredentialLedger`."""
        return self._desk.run

    async def keep(self, lease: CredentialLease) -> None:
        """See `CredentialLedger`."""
        await self._desk.do(lambda connection: _write(connection, [lease]))

    async def adopt(self) -> Sequence[CredentialLease]:
        """See `CredentialLedger`."""
        run, runs_at = self._desk.run, self._desk.runs_at
        oldest = self._clock() - DAYS * 86_400_000_000
        return await self._desk.do(lambda connection: _adopt(connection, run, runs_at, oldest))

    def all(self, *, live: bool) -> Sequence[CredentialLease]:
        """See `CredentialLedger`."""
        try:
            return _newest_first(self._read, live)
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from None

    def close(self) -> None:
        """See `CredentialLedger`."""
        self._read.close()
