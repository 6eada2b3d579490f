"""The journal's SQLite file as one gateway process holds it: opened, written batch by batch, closed.

Every failure comes out as one sentence that names the file. It knows no event loop and no thread:
whoever owns it calls it from one thread at a time.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from gateway.errors import JournalError, Misconfigured, Refused, Where
from gateway.files.private import make_file
from gateway.journals import commit, filing, runs, schema
from gateway.journals.entry import Entry
from gateway.journals.holder import holder
from gateway.journals.ledger import Ledger
from gateway.journals.payloads import Keeper
from gateway.journals.standing import Standing

T = TypeVar("T")
P = ParamSpec("P")

BUSY_SECONDS: Final = 5.0
"""How long a batch waits for another gateway process to finish its own."""

_SAID: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the file is read-only",
    "SQLITE_BUSY": "another process keeps it locked",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "it is not a journal",
}


class SqliteFile:
    """One open journal file. Not thread-safe."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        run: runs.Run,
        row: int,
        keeper: Keeper,
    ) -> None:
        self.path = path
        self.run = run
        self._keeper = keeper
        self._row = row
        self._standing = Standing(row)
        self._name = str(path)
        self._inode = os.stat(path).st_ino
        self._connection: sqlite3.Connection | None = connection
        self._ledger = Ledger(connection)

    @classmethod
    def open(cls, path: Path, now: int) -> SqliteFile:
        """Make or migrate the file, prove it can be written, begin a run.

        Raises `Misconfigured`.
        """
        directory = _run_directory(path)
        try:
            make_file(path)
            keeper = Keeper.beside(path)
            with runs.one_at_a_time(directory):
                schema.prepare(path)
                runs.sweep(directory)
                run = runs.Run(directory)
        except (OSError, sqlite3.Error) as error:
            raise _unopened(path, error) from None
        try:
            connection = _connect(path)
            begun = connection.execute(
                "INSERT INTO run (name, started_at) VALUES (?, ?)", (run.id, now)
            )
        except (OSError, sqlite3.Error) as error:
            run.end()
            raise _unopened(path, error) from None
        assert begun.lastrowid is not None
        return cls(path, connection, run, begun.lastrowid, keeper)

    def write(
        self, entries: Sequence[Entry], works: Sequence[commit.Work] = ()
    ) -> tuple[Sequence[int | str | Refused], list[Any]]:
        """Per line its sequence number or why it was refused, durable on return; and what the works made of the
        connection in the same transaction, after the lines.

        Raises `JournalError` when nothing of it was written. The next call tries anew.
        """
        return self.on(self._write, entries, works)

    def _write(
        self, connection: sqlite3.Connection, entries: Sequence[Entry], works: Sequence[commit.Work]
    ) -> tuple[Sequence[int | str | Refused], list[Any]]:
        if entries:
            return commit.write(self._ledger, self._standing, entries, self._keeper, works)
        # No line waits for the disk: one that rests on it is written to the same log later.
        with _unsynced(connection):
            return commit.write(self._ledger, self._standing, (), self._keeper, works)

    def tidy(self) -> None:
        """What can wait until those who wait have been told. Raises `JournalError`."""
        if len(self._standing) >= filing.AT_ONCE:
            self.on(self._file)

    def _file(self, connection: sqlite3.Connection) -> None:
        with _unsynced(connection):
            commit.file(self._ledger, self._standing)

    @property
    def runs_at(self) -> Path:
        """Where the locks of runs lie."""
        return _run_directory(self.path)

    def on(
        self,
        work: Callable[Concatenate[sqlite3.Connection, P], T],
        *more: P.args,
        **named: P.kwargs,
    ) -> T:
        """What `work` makes of the connection. Raises `JournalError`."""
        try:
            return work(self._connected(), *more, **named)
        except (OSError, sqlite3.Error) as error:
            # A connection that saw the disk fail is not believed again; nor is its transaction.
            self._disconnect()
            raise JournalError(f"{self.path}: {_said(self.path, error)}") from None
        except BaseException:
            self._disconnect()
            raise

    def abandoned(self) -> list[str]:
        """Calls under way whose run is gone. Raises `JournalError`."""
        return self.on(self._abandoned)

    def _abandoned(self, connection: sqlite3.Connection) -> list[str]:
        filing.file(connection)
        open_runs = connection.execute(
            "SELECT DISTINCT run.id, run.name FROM calls JOIN run ON run.id = calls.run"
            " WHERE state = 'intent' AND run <> ?",
            (self._row,),
        ).fetchall()
        gone = [row for row, name in open_runs if runs.is_gone(_run_directory(self.path), name)]
        return [
            call_id
            for row in gone
            for (call_id,) in connection.execute(
                "SELECT call_id FROM calls WHERE state = 'intent' AND run = ? ORDER BY first_seq",
                (row,),
            )
        ]

    def scrub(self, whole: bool) -> bool:
        """Nothing that was deleted is left in the file or its log. False: somebody keeps the log in use.

        `whole`: the file is written anew, so that no page holds a row's bytes from where it lay before.
        Raises `JournalError`."""

        def scrubbed(connection: sqlite3.Connection) -> bool:
            if whole:
                connection.execute("VACUUM")
            [busy, *_] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

        return self.on(scrubbed)

    def close(self) -> None:
        """Close the file and end the run. It has all lines then, also for whoever copies it without its log: SQLite
        sees to that only where nobody else has it open."""
        for last in (self._file, _brought_in):
            with suppress(JournalError):
                self.on(last)
        self._disconnect()
        self.run.end()

    def _connected(self) -> sqlite3.Connection:
        if os.stat(self._name).st_ino != self._inode:
            raise FileNotFoundError("it was replaced by another file while in use")
        if self._connection is None:
            self._connection = _connect(self.path)
            self._ledger = Ledger(self._connection)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _brought_in(connection: sqlite3.Connection) -> None:
    """What the log holds is in the file; it waits for nobody."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


@contextmanager
def _unsynced(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits that wait for no disk: what is lost with the power can be made again. After an error within, the
    connection is used no more: in its transaction nothing could be made to wait again."""
    connection.execute("PRAGMA synchronous = NORMAL")
    yield
    connection.execute("PRAGMA synchronous = FULL")


def _connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode for whichever thread owns it next."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=192,
    )
    # FULL: a commit survives a power cut, not only our own death.
    connection.execute("PRAGMA synchronous = FULL")
    # Whatever a statement needs for itself is not worth a file.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # The log is brought into the file by the commit that makes it so many pages: small enough that no call waits long.
    connection.execute("PRAGMA wal_autocheckpoint = 400")
    # What is deleted is overwritten: resources let go, payloads forgotten.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _run_directory(path: Path) -> Path:
    return path.parent / "runs"


def _unopened(path: Path, error: OSError | sqlite3.Error) -> Misconfigured:
    return Misconfigured(f"the journal cannot be opened: {_said(path, error)}", Where(str(path)))


def _said(path: Path, error: OSError | sqlite3.Error) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    short = "_".join(name.split("_")[:2])
    who = holder(path) if short == "SQLITE_BUSY" else None
    by = f", process {who}" if who else ""
    return f"{_SAID.get(short, 'SQLite refuses')}{by} ({name}: {error})"
