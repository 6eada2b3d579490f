"""The embedded journal: one SQLite file, one writer thread, group commit.

Several gateway processes may share the file. It knows nothing of policy, agents or tool servers.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from gateway.core.record import IllegalMove, Line, outcome
from gateway.errors import JournalError
from gateway.journals import form
from gateway.journals.credentials import SqliteCredentials
from gateway.journals.entry import Entry
from gateway.journals.grants import SqliteGrants
from gateway.journals.leases import PATIENCE, SqliteLeases
from gateway.journals.opencalls import OpenCalls
from gateway.journals.protect import Protector
from gateway.journals.remembered import SqliteRemembered
from gateway.journals.sqlitefile import SqliteFile
from gateway.journals.sqlitereader import SqliteReader
from gateway.journals.tickets import SqliteTickets
from gateway.journals.writer import Results, Writer
from gateway.ports import Pending
from gateway.timings import newest

__all__ = ["SqliteJournal", "SqliteReader"]

T = TypeVar("T")

MAX_WAITING: Final = 10_000
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
REWRITTEN_BYTES: Final = 64 * 1024 * 1024
"""A larger file is not written anew to forget something: calls would wait too long for it. What is deleted is
overwritten all the same."""
PROBE_SECONDS: Final = 0.1
"""While the journal is broken one line in this time is tried; the others are refused at once."""
FORGIVEN_SECONDS: Final = 10.0

LOST: Final = "the gateway process that forwarded it ended before an outcome was recorded"
UNRECORDED: Final = "an outcome came, and could not be written"


def _microseconds() -> int:
    return time.time_ns() // 1_000


class SqliteJournal:
    """`ports.Journal` on a SQLite file. Its methods belong to the event loop it was opened in."""

    def __init__(self, file: SqliteFile, clock: Callable[[], int]) -> None:
        """Use `open`."""
        self._file = file
        self.run = file.run.id
        """This process's run."""
        self._clock = clock
        self._open_calls = OpenCalls()
        self._owed: set[str] = set()
        self._waiting = 0
        self._waiting_bytes = 0
        self._broken: str | None = None
        self._next_probe = 0.0
        self._closed = False
        self.waits = newest()
        self._writer = Writer(file, self._report)
        self._leases: SqliteLeases | None = None

    @classmethod
    async def open(cls, path: Path, clock: Callable[[], int] = _microseconds) -> SqliteJournal:
        """Open or make the journal at `path`. `clock`: microseconds since the epoch.

        Raises `Misconfigured` when the file cannot be opened, migrated or written.
        """
        return cls(await asyncio.to_thread(SqliteFile.open, path, clock()), clock)

    @property
    def sound(self) -> bool:
        """See `ports.Journal`."""
        return self._broken is None

    @property
    def takes_lines(self) -> bool:
        """False from a failure to write on. True again when none was tried for a while: nobody knows then, and
        whoever sends calls only to a gateway that is ready has to send one, for it to be known."""
        return self.sound or time.monotonic() > self._next_probe + FORGIVEN_SECONDS

    def append(self, line: Line) -> Pending:
        """Queue one line; touches no disk.

        Raises `JournalError` when the journal is closed, broken or too far behind, `IllegalMove` for
        a line that cannot follow. A move only the file can judge is refused by `sealed()`.
        """
        try:
            self._check_able()
            body, payloads = form.write(line, self.run)
        except JournalError:
            self._owe(line)
            raise
        self._open_calls.take(line)
        size = len(body)
        for payload in payloads:
            size += len(payload.plain)
        entry = Entry(line, body, payloads, self._writer, size)
        self._waiting += 1
        self._waiting_bytes += size
        self._writer.put(entry)
        return entry

    def leases(self, patience: float = PATIENCE) -> SqliteLeases:
        """The leases of this journal's file: the same for all who ask, as it answers for this process alone.

        `patience`: seconds a call waits for its resources."""
        if self._leases is None:
            self._leases = SqliteLeases(self, self._clock, patience)
        return self._leases

    def remembered(self, protector: Protector) -> SqliteRemembered:
        """What this process and all others of this journal's file have learned."""
        return SqliteRemembered(self, self._file.path, protector, self._clock)

    def tickets(self) -> SqliteTickets:
        """What persons are asked for, over all processes of this journal's file."""
        return SqliteTickets(self, self._file.path)

    def grants(self) -> SqliteGrants:
        """The grants of this journal's file. Raises `JournalError`."""
        return SqliteGrants(self._file.path)

    def credentials(self) -> SqliteCredentials:
        """The leases of credentials in this journal's file. Raises `JournalError`."""
        return SqliteCredentials(self, self._file.path, self._clock)

    @property
    def runs_at(self) -> Path:
        """Where the locks of runs lie."""
        return self._file.runs_at

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work on the file's connection, in turn with the lines. Raises `JournalError`."""
        self._check_open()
        if self._broken is not None and time.monotonic() < self._next_probe:
            raise JournalError(self._broken)
        try:
            return await self._writer.do(lambda: self._file.on(work))
        except JournalError as error:
            # A disk that takes no lease takes no line: only a sealed line says that it is sound again.
            self._broken, self._next_probe = str(error), time.monotonic() + PROBE_SECONDS
            raise

    def join(
        self, work: Callable[[sqlite3.Connection], T], hurried: bool = True
    ) -> asyncio.Future[T]:
        """Work on the file's connection in the transaction of the lines that are queued with it, after them. It
        may be lost as long as no line written later is durable. Raises `JournalError`, as the future does."""
        self._check_open()
        if self._broken is not None and time.monotonic() < self._next_probe:
            raise JournalError(self._broken)
        return self._writer.join(work, hurried)

    def expect(self) -> None:
        """Something more will be queued in the next turn of the loop: what is in a hurry waits for it."""
        self._writer.expect()

    def post(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """The same, and nobody waits; nothing once the journal is closed."""
        if not self._closed:
            self._writer.post(lambda: self._file.on(work))

    async def scrub(self, rewrite: bool = True) -> bool:
        """After something was forgotten: nothing of it is left in the file or its log. False: somebody
        keeps the log in use, so it is not certain yet. `rewrite`: the file is written anew if it is small.
        Raises `JournalError`."""
        self._check_open()
        whole = rewrite and self._file.path.stat().st_size <= REWRITTEN_BYTES
        return await self._writer.do(lambda: self._file.scrub(whole))

    async def recover(self) -> Sequence[str]:
        """Settle as in_doubt every intent whose gateway process is gone. Returns their call ids."""
        self._check_open()
        return await self._writer.do(self._settle_abandoned)

    async def aclose(self) -> None:
        """Seal what is queued, then close. Closing again waits for the same end."""
        self._closed = True
        await self._writer.close()

    def _check_open(self) -> None:
        if self._closed:
            raise self._shut()

    def _shut(self) -> JournalError:
        return JournalError(f"{self._file.path}: the journal is closed")

    def _check_able(self) -> None:
        if self._closed:
            raise self._shut()
        if self._waiting >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            raise JournalError(
                f"{self._file.path}: the disk is too slow, {self._waiting} lines are waiting for it"
            )
        if self._broken is not None:
            now = time.monotonic()
            if now < self._next_probe:
                raise JournalError(self._broken)
            self._next_probe = now + PROBE_SECONDS

    def _report(self, batch: Sequence[Entry], results: Results, broken: str | None) -> None:
        """Once per batch, back on the loop: tell everyone who waits."""
        if broken is not None:
            self._next_probe = time.monotonic() + PROBE_SECONDS
        elif not batch:
            return  # Only a durable line says that the disk is sound again.
        self._broken = broken
        self._waiting -= len(batch)
        size, now = 0, time.perf_counter()
        for entry, result in zip(batch, results, strict=True):
            size += entry.size
            if entry.began:
                self.waits.append(now - entry.began)
            if not isinstance(result, int):
                self._open_calls.forget(entry.source.call_id)
                if broken is not None:
                    self._owe(entry.source)
            entry.settle(result)
        self._waiting_bytes -= size
        if broken is None and self._owed and not self._closed:
            self._pay()

    def _owe(self, line: Line) -> None:
        """An outcome that could not be written down: its call must not stay "under way" while we live."""
        if line.record is None and len(self._owed) < MAX_WAITING:
            self._owed.add(line.call_id)

    def _pay(self) -> None:
        """The disk takes lines again. Whoever waited was told that the outcome is unknown, so that is written."""
        owed, self._owed = self._owed, set()
        for call_id in owed:
            # IllegalMove: somebody settled the call meanwhile.
            with suppress(JournalError, IllegalMove):
                self.append(outcome(call_id, self._clock(), "in_doubt", {"detail": UNRECORDED}))

    def _settle_abandoned(self) -> list[str]:
        """In the writer thread. Two processes may try at once: each call is settled by one of them."""
        at, run = self._clock(), self._file.run.id
        lines = [outcome(lost, at, "in_doubt", {"detail": LOST}) for lost in self._file.abandoned()]
        if not lines:
            return []
        entries = [Entry(line, *form.write(line, run)) for line in lines]
        results, _ = self._file.write(entries)
        return [
            line.call_id for line, seq in zip(lines, results, strict=True) if isinstance(seq, int)
        ]
