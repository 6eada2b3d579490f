"""Reading a SQLite journal, also while gateways write: read-only, one short query at a time.

Sequence numbers are given in commit order under SQLite's one write lock, so a cursor over them
misses nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database

from gateway.core.apart import Filed
from gateway.core.record import State
from gateway.errors import JournalError, Misconfigured, Where
from gateway.journals import filing, form
from gateway.journals.payloadreader import PayloadReader
from gateway.ports import MIN_PREFIX, CallFilter, CallRow, EventRow
from gateway.values import replace

PAGE: Final = 1_000

_CALLS: Final = (
    "SELECT c.state, c.created_at, c.settled_at, c.first_seq, f.body AS first, c.last_seq, l.body AS last"
    " FROM {} AS c JOIN event AS f ON f.seq = c.first_seq JOIN event AS l ON l.seq = c.last_seq"
    " WHERE {} ORDER BY c.first_seq DESC LIMIT ?"
)
_FILED: Final = "calls", f"c.call_id NOT IN (SELECT call_id FROM event WHERE {filing.LATER})"
_SINCE: Final = f"({filing.SINCE})", "true"
_OF_TENANT: Final = "json_extract(CAST(f.body AS TEXT), '$.record.tenant') = ?"
_EVENTS: Final = "SELECT seq, call_id, kind, at, body FROM event"
_AS_THEY_LIE: Final = _EVENTS.replace("body", "iif(typeof(body) = 'blob', body, x'')")
"""A body that is none is empty: no line is."""


class SqliteReader:
    """`ports.JournalReader` on a journal file."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured` when there is no journal there, or none that can be read."""
        self._path = path
        if not path.exists():
            raise Misconfigured(
                "no journal here yet", Where(str(path)), hint="a gateway makes it when it starts"
            )
        try:
            self._db = Database(_connect(path), execute_plugins=False)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from None
        try:
            self._query("SELECT first_seq, seq FROM calls, filed LIMIT 0", ())
        except JournalError as error:
            self._db.close()
            raise _unreadable(path, error) from None
        self._payloads = PayloadReader(path, self._query)

    def calls(self, where: CallFilter, limit: int) -> Sequence[CallRow]:
        """Newest first. Raises `JournalError`."""
        conditions, values = _conditions(where)
        return self._calls(conditions, values, limit)

    def call(self, call_id: str) -> CallRow | None:
        """One call by its id or a prefix of at least 6 characters; None if there is none, or several."""
        found = self._calls(["c.call_id = ?"], [call_id], 1)
        if not found and len(call_id) >= MIN_PREFIX:
            span = ["c.call_id >= ?", "c.call_id < ?"]
            found = self._calls(span, [call_id, call_id + "\U0010ffff"], 2)
        return found[0] if len(found) == 1 else None

    def events(self, after: int, limit: int) -> Sequence[EventRow]:
        """Lines with seq > after, oldest first."""
        return self._event_rows(f"{_EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))

    def bodies(self, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """The same lines, their numbers and exact bytes alone: cheap enough for every line there is.
        Raises `JournalError`."""
        return self._tuples(
            "SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )

    def filed(self) -> Iterator[Filed]:
        """Every line there is, as it lies there. Raises `JournalError`."""
        yield from map(Filed._make, self._tuples(f"{_AS_THEY_LIE} WHERE seq < 1 ORDER BY seq", ()))
        sql, after = f"{_AS_THEY_LIE} WHERE seq > ? ORDER BY seq LIMIT ?", 0
        while rows := self._tuples(sql, (after, PAGE)):
            yield from map(Filed._make, rows)
            after = rows[-1][0]

    def lines(self, call_id: str) -> Sequence[EventRow]:
        """All lines of one call (its whole id), oldest first."""
        # Most calls have two lines and both ends are known; between them lies what other calls wrote.
        span = "(SELECT first_seq FROM calls WHERE call_id = ?) AND (SELECT last_seq FROM calls WHERE call_id = ?)"
        filed = f"{_EVENTS} WHERE seq BETWEEN {span} AND call_id = ?"
        since = f"{_EVENTS} WHERE {filing.LATER} AND call_id = ?"
        rows = self._event_rows(f"{filed} UNION {since} ORDER BY seq", (call_id,) * 4)
        return self.opened(rows)

    def opened(self, rows: Sequence[EventRow]) -> Sequence[EventRow]:
        """The same lines, with what is kept of their payloads."""
        opened = self._payloads.opened
        with self._as_written():
            kept = self._payloads.of((row.seq, row.body) for row in rows)
            return [replace(row, payloads=opened(row.seq, row.body, kept)) for row in rows]

    def misfiled(self) -> Sequence[str]:
        """The calls that are not found as their lines say. Of lines that are proved: those of no JSON raise
        `JournalError`."""
        return [row["call_id"] for row in self._query(filing.MISFILED, ())]

    def unfit(self) -> Iterator[str]:
        """What is kept apart of lines and is not theirs, in words. Raises `JournalError`."""
        after = 0
        while lines := self.bodies(after, PAGE):
            yield from self._payloads.unfit(lines)
            after = lines[-1][0]
        yield from self._payloads.stray()

    def last_seq(self) -> int:
        """The newest line's number, 0 when there is none: where a cursor starts to see only what comes."""
        return int(self._query("SELECT coalesce(max(seq), 0) AS seq FROM event", ())[0]["seq"])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _calls(self, conditions: Sequence[str], values: Sequence[Any], limit: int) -> list[CallRow]:
        """Newest first, of those that are filed and those that are not yet."""
        parts = [
            f"SELECT * FROM ({_CALLS.format(table, ' AND '.join([apart, *conditions]))})"
            for table, apart in (_FILED, _SINCE)
        ]
        sql = f"{' UNION ALL '.join(parts)} ORDER BY first_seq DESC LIMIT ?"
        return self._call_rows(self._query(sql, (*(*values, limit) * 2, limit)))

    def _call_rows(self, rows: Sequence[dict[str, Any]]) -> list[CallRow]:
        ends = [(row[f"{end}_seq"], row[end]) for row in rows for end in ("first", "last")]
        said = self._payloads.said
        with self._as_written():
            kept = self._payloads.of(ends, ("arguments",))
            return [
                form.row(
                    row["state"],
                    row["created_at"],
                    row["settled_at"],
                    said(row["first_seq"], row["first"], kept),
                    said(row["last_seq"], row["last"], kept),
                )
                for row in rows
            ]

    def _event_rows(self, sql: str, values: tuple[Any, ...]) -> list[EventRow]:
        rows = self._tuples(sql, values)
        with self._as_written():
            return [
                EventRow(seq, call, State(kind), at, body) for seq, call, kind, at, body in rows
            ]

    @contextmanager
    def _as_written(self) -> Iterator[None]:
        """What somebody else wrote there may be anything. Raises `JournalError`."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise JournalError(
                f"{self._path}: not as a gateway wrote it ({type(error).__name__}: {error}):"
                " `bulkhead evidence check` names the line"
            ) from None

    def _tuples(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from None

    def _query(self, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        try:
            return list(self._db.query(sql, values))
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from None


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return _proven(sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False))
    except sqlite3.OperationalError:
        # In a directory we may not write, SQLite cannot make its wal-index; a journal nobody has open
        # has no -wal file and can be read as it lies there.
        if path.with_name(f"{path.name}-wal").exists():
            raise
        uri = f"{uri}&immutable=1"
        return _proven(sqlite3.connect(uri, uri=True, check_same_thread=False))


def _proven(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, once it has read something; closed when it cannot."""
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _unreadable(path: Path, error: Exception) -> Misconfigured:
    said = str(error)
    if "no such" in said:
        hint = "one of an earlier version is brought up to date by a gateway that starts"
    else:
        hint = "reading needs a little room beside it" if "I/O" in said else ""
    return Misconfigured(f"not a journal that can be read: {said}", Where(str(path)), hint)


def _conditions(where: CallFilter) -> tuple[list[str], list[Any]]:
    wanted: dict[str, Any] = {
        "c.agent = ?": where.agent,
        "c.server = ?": where.server,
        "c.tier = ?": where.tier,
        "c.task = ?": where.task,
        "c.grant_id = ?": where.grant,
        _OF_TENANT: where.tenant,
        "c.created_at >= ?": where.since,
        "(c.settled_at IS NULL OR c.settled_at >= ?)": where.until_after,
    }
    given = {condition: value for condition, value in wanted.items() if value is not None}
    # As a literal: only then is the small index of the held ones used.
    stands = [f"c.state = '{where.state.value}'"] if where.state else []
    return [*stands, *given], list(given.values())
