"""The journal's tables and their history, by sqlite-utils migrations.

`event` is the record: append-only, `body` the exact bytes of a line. `call` is a projection of it
for people who look for calls; it could be rebuilt from the events. Times are microseconds.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway.errors import Misconfigured, Where

migrations = Migrations("bulkhead.journal")


@migrations()
def first(db: Database) -> None:
    """Events, calls, runs."""
    db.table("run").create({"id": int, "name": str, "started_at": int}, pk="id", strict=True)
    db.table("event").create(
        {"seq": int, "call_id": str, "kind": str, "at": int, "body": bytes}, pk="seq", strict=True
    )
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )
    db.table("call").create(
        {
            "first_seq": int,
            "last_seq": int,
            "call_id": str,
            "state": str,
            "agent": str,
            "server": str,
            "tier": str,
            "task": str,
            "created_at": int,
            "settled_at": int,
            "run": int,
        },
        pk="first_seq",
        strict=True,
    )
    db.table("call").create_index(["call_id"], unique=True)
    for column in ("agent", "server", "task", "created_at"):
        db.table("call").create_index([column])
    # Small, for recovery: only calls under way stand in it.
    db.execute("CREATE INDEX call_open ON call (run) WHERE state = 'intent'")


@migrations()
def leases(db: Database) -> None:
    """Held leases. AUTOINCREMENT: a number is never given twice, also when its row is gone."""
    db.execute(
        "CREATE TABLE lease (epoch INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL,"
        " alone INTEGER NOT NULL, call_id TEXT NOT NULL, run TEXT NOT NULL, until INTEGER NOT NULL,"
        " quiesce INTEGER NOT NULL, orphan INTEGER NOT NULL) STRICT"
    )


def prepare(path: Path) -> None:
    """Bring the file to the present schema; a new file is made. Raises `Misconfigured`, `sqlite3.Error`."""
    connection = sqlite3.connect(path)
    try:
        db = Database(connection, execute_plugins=False)
        db.enable_wal()
        applied = {migration.name for migration in migrations.applied(db)}
        unknown = applied - {migration.name for migration in migrations._migrations}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise Misconfigured(f"written by a newer bulkhead (schema {names})", Where(str(path)))
        if migrations.pending(db):
            migrations.apply(db)
    finally:
        connection.close()
