"""Payloads whose time is over are destroyed, a few at a time; a line says up to which moment. In the writer's thread.

A call that is held or under way keeps what it has, and so does all that was written after it began.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from gateway.core.apart import CLASSES, Class
from gateway.journals import filing
from gateway.journals.payloads import PAYLOADS

LINES_AT_ONCE: Final = 2_000
_OPEN: Final = (
    "SELECT min(first_seq) FROM calls WHERE state = 'held'",
    "SELECT min(first_seq) FROM calls WHERE state = 'intent'",
    "SELECT min(first_seq) FROM calls WHERE created_at >= ?",
)


def end(connection: sqlite3.Connection, before: int) -> int:
    """The first line that was not written before this moment (microseconds), or may still be needed."""
    # First: of what others write while this looks, nothing is below it, and nothing has to be found.
    newest = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM event").fetchone()[0]
    filing.file(connection)
    found = [
        connection.execute(sql, (before,) if "?" in sql else ()).fetchone()[0] for sql in _OPEN
    ]
    return int(min([newest, *(first for first in found if first is not None)]))


def some(connection: sqlite3.Connection, kind: Class, lines: range) -> bool:
    """Have these lines any payload of this class?"""
    sql = f"SELECT 1 FROM payload WHERE {_THESE} LIMIT 1"
    return connection.execute(sql, _values(kind, lines)).fetchone() is not None


def destroy(connection: sqlite3.Connection, kind: Class, lines: range) -> int:
    """How many there were."""
    return connection.execute(f"DELETE FROM payload WHERE {_THESE}", _values(kind, lines)).rowcount


_THESE: Final = "id >= ? AND id < ? AND id % ? = ?"


def _values(kind: Class, lines: range) -> tuple[int, ...]:
    return lines.start * PAYLOADS, lines.stop * PAYLOADS, PAYLOADS, CLASSES.index(kind)
