"""What was learned on the way and every gateway process of one state directory must know: a table in its journal.

It is a memory, not a record: rows are found by kind, owner and name, names are kept as keyed digests and
bodies sealed, and the oldest are forgotten. A note is written in the transaction of the journal's lines that
are queued with it, so whoever waits for a later line has it, too. It knows nothing of tasks and links.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.core.model import JsonObject
from gateway.errors import JournalError
from gateway.journals.leases import Desk
from gateway.journals.protect import Protector

log = logging.getLogger("bulkhead.journal")

MOST_EACH: Final = 1_000
"""Rows of one kind and owner."""
DAYS: Final = 30
LARGEST: Final = 256 * 1024
"""Characters of one sealed body. What is larger is this process's own knowledge."""

UNWRITTEN: Final = "what an agent was told is known to this process only"

Row = tuple[str, str, str, int, str]


class SqliteRemembered:
    """`ports.Remembered` in a journal's file."""

    def __init__(
        self, desk: Desk, path: Path, protector: Protector, clock: Callable[[], int]
    ) -> None:
        """`clock`: microseconds since the epoch."""
        self._desk = desk
        self._path = path
        self._protector = protector
        self._clock = clock
        now = clock()
        desk.post(lambda connection: _forget(connection, now))

    def note(self, kind: str, owner: str, facts: Mapping[str, JsonObject]) -> None:
        """See `ports.Remembered`."""
        now = self._clock()
        rows: list[Row] = []
        for name, fact in facts.items():
            try:
                sealed = json.dumps(self._protector.seal(fact))
            except ValueError:
                continue  # larger still
            if len(sealed) <= LARGEST:
                rows.append((kind, owner, self._protector.digest(name), now, sealed))
        if not rows:
            return
        try:
            written = self._desk.join(lambda connection: _write(connection, rows), hurried=False)
            written.add_done_callback(_said)
        except JournalError as error:
            log.warning("%s: %s", UNWRITTEN, error)

    async def written(self) -> None:
        """See `ports.Remembered`."""
        try:
            await self._desk.do(lambda connection: None)
        except JournalError as error:
            log.warning("%s: %s", UNWRITTEN, error)

    async def find(self, kind: str, owner: str, name: str) -> Sequence[JsonObject]:
        """See `ports.Remembered`."""
        wanted = (kind, owner, self._protector.digest(name))
        try:
            bodies = await asyncio.to_thread(_read, self._path, wanted)
            return [self._protector.unseal(json.loads(body)) for body in bodies]
        except (sqlite3.Error, ValueError) as error:
            log.warning("what another process noted cannot be read: %s", error)
            return []


def _said(written: asyncio.Future[None]) -> None:
    if not written.cancelled() and (error := written.exception()) is not None:
        log.warning("%s: %s", UNWRITTEN, error)


# In the thread that owns the connection:


def _write(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    connection.executemany(
        "INSERT INTO remembered (kind, owner, name, at, body) VALUES (?, ?, ?, ?, ?)", rows
    )
    kind, owner, _, at, _ = rows[0]
    connection.execute(
        "DELETE FROM remembered WHERE kind = ? AND owner = ? AND id <= (SELECT id FROM remembered"
        " WHERE kind = ? AND owner = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (kind, owner, kind, owner, MOST_EACH),
    )
    _forget(connection, at)


def _forget(connection: sqlite3.Connection, now: int) -> None:
    connection.execute("DELETE FROM remembered WHERE at < ?", (now - DAYS * 86_400_000_000,))


# In any thread:


def _read(path: Path, wanted: tuple[str, str, str]) -> list[str]:
    """On a connection of its own: who asks for what does not exist holds up nobody's lines."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=1.0)) as connection:
        found = connection.execute(
            "SELECT body FROM remembered WHERE kind = ? AND owner = ? AND name = ? ORDER BY id",
            wanted,
        )
        return [body for (body,) in found]
