"""Tickets in a journal's file: asked for in turn with the lines, decided and used up in a line's own commit.

What may follow what is `core.approval`'s; here it is read and written in one transaction. A ticket is
forgotten after a month; the lines that told of it stay.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.core import approval
from gateway.core.approval import Leave, Ticket, Word
from gateway.errors import JournalError, Refused
from gateway.journals.leases import Desk
from gateway.ports import MIN_PREFIX
from gateway.values import as_plain

HOUR: Final = 3_600_000_000
MONTH: Final = 30 * 24 * HOUR


class SqliteTickets:
    """`ports.Tickets` in a journal's file."""

    def __init__(self, desk: Desk, path: Path) -> None:
        self._desk = desk
        self._path = path

    async def ask(self, ticket: Ticket) -> Ticket:
        """See `ports.Tickets`."""
        found = await self._desk.do(lambda connection: _ask(connection, ticket))
        if isinstance(found, Refused):
            raise found
        return found

    async def find(self, name: str) -> Ticket | None:
        """See `ports.Tickets`."""
        if len(name) < MIN_PREFIX:
            return None
        found = await self._read(
            "SELECT document FROM ticket WHERE id >= ? AND id < ? LIMIT 2",
            name,
            name + "\U0010ffff",
        )
        return found[0] if len(found) == 1 else None

    async def since(self, at: int) -> Sequence[Ticket]:
        """See `ports.Tickets`."""
        return await self._read(
            "SELECT document FROM ticket WHERE created_at >= ? ORDER BY created_at DESC", at
        )

    async def _read(self, sql: str, *values: object) -> list[Ticket]:
        try:
            return await asyncio.to_thread(_rows, self._path, sql, values)
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from None


# In the thread that owns the connection:


def _ask(connection: sqlite3.Connection, new: Ticket) -> Ticket | Refused:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("DELETE FROM ticket WHERE created_at < ?", (new.created_at - MONTH,))
        known = connection.execute(
            "SELECT document FROM ticket WHERE agent = ? AND (expires_at > ? OR created_at > ?)",
            (new.agent, new.created_at, new.created_at - HOUR),
        )
        found = approval.answer_to(new, [_ticket(document) for (document,) in known])
        if found is new:
            connection.execute(
                "INSERT INTO ticket (id, agent, created_at, expires_at, document) VALUES (?, ?, ?, ?, ?)",
                (new.id, new.agent, new.created_at, new.expires_at, json.dumps(as_plain(new))),
            )
        connection.execute("COMMIT")
        return found
    except Refused as no:
        return no
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def take_leaves(connection: sqlite3.Connection, leaves: Sequence[Leave]) -> None:
    """All of these. Raises `Refused` (approval_needed) when a ticket gives no leave, or gave it before."""
    for leave in leaves:
        _write(connection, approval.used(_at(connection, leave.ticket), leave))


def take_words(connection: sqlite3.Connection, words: Sequence[Word]) -> None:
    """All of these. Raises `Refused` (approval_denied) when one may not be said."""
    for word in words:
        _write(connection, approval.decided(_at(connection, word.ticket), word))


def _at(connection: sqlite3.Connection, ticket: str) -> Ticket | None:
    found = connection.execute("SELECT document FROM ticket WHERE id = ?", (ticket,)).fetchone()
    return _ticket(found[0]) if found else None


def _write(connection: sqlite3.Connection, ticket: Ticket) -> None:
    connection.execute(
        "UPDATE ticket SET expires_at = ?, document = ? WHERE id = ?",
        (ticket.expires_at, json.dumps(as_plain(ticket)), ticket.id),
    )


def _ticket(document: str) -> Ticket:
    return Ticket(**json.loads(document))


# In any thread:


def _rows(path: Path, sql: str, values: tuple[object, ...]) -> list[Ticket]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
        return [_ticket(document) for (document,) in connection.execute(sql, values)]
