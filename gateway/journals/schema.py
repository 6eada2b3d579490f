"""The journal's tables and their history, by sqlite-utils migrations.

`event` is the record: append-only, `body` the exact bytes of a line. `calls` is a projection of it
for whoever looks for calls, as of a line of its own (filing.py). Times are microseconds.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway.errors import Misconfigured, Where
from gateway.journals import budgets

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


@migrations()
def remembered(db: Database) -> None:
    """What gateway processes of one state directory tell each other (remembered.py)."""
    db.execute(
        "CREATE TABLE remembered (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner TEXT NOT NULL,"
        " name TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT"
    )
    db.execute("CREATE INDEX remembered_name ON remembered (kind, owner, name)")
    db.execute("CREATE INDEX remembered_at ON remembered (at)")


@migrations()
def grants(db: Database) -> None:
    """What grants say, what is left of each, and the labels of tasks. `rev` grows with every change but a spend.

    A purse is all that a spend touches: small, and beside those of its chain, by root and id as one key."""
    db.execute(
        'CREATE TABLE "grant" (id TEXT PRIMARY KEY, rev INTEGER NOT NULL, document TEXT NOT NULL,'
        " said TEXT NOT NULL, holder TEXT NOT NULL, root_task TEXT NOT NULL) STRICT, WITHOUT ROWID"
    )
    db.execute('CREATE INDEX grant_holder ON "grant" (holder, root_task)')
    db.execute('CREATE INDEX grant_rev ON "grant" (rev)')
    db.execute(
        "CREATE TABLE purse (place TEXT PRIMARY KEY, id TEXT NOT NULL, parent TEXT NOT NULL,"
        " state TEXT NOT NULL, expires_at INTEGER NOT NULL, idle INTEGER, used_at INTEGER NOT NULL,"
        " used INTEGER NOT NULL, uses INTEGER, writes INTEGER, bytes INTEGER, step INTEGER,"
        " burst INTEGER NOT NULL, due INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE UNIQUE INDEX purse_id ON purse (id)")
    db.execute("CREATE INDEX purse_parent ON purse (parent)")
    db.execute(
        "CREATE TABLE label (root TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (root, label))"
        " STRICT, WITHOUT ROWID"
    )
    db.execute("ALTER TABLE call ADD COLUMN grant_id TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE INDEX call_grant ON call (grant_id) WHERE grant_id <> ''")


@migrations()
def held(db: Database) -> None:
    """Small, for who sends them: only calls that wait stand in it."""
    db.execute("CREATE INDEX call_held ON call (first_seq) WHERE state = 'held'")


@migrations()
def tickets(db: Database) -> None:
    """What agents and operators asked a person for, and the answers (tickets.py)."""
    db.execute(
        "CREATE TABLE ticket (id TEXT PRIMARY KEY, agent TEXT NOT NULL, created_at INTEGER NOT NULL,"
        " expires_at INTEGER NOT NULL, document TEXT NOT NULL) STRICT, WITHOUT ROWID"
    )
    db.execute("CREATE INDEX ticket_agent ON ticket (agent, created_at)")


@migrations()
def payloads(db: Database) -> None:
    """What is kept apart of lines (payloads.py). `id`: line * 8 + class, so new ones lie side by side."""
    db.execute(
        "CREATE TABLE payload (id INTEGER PRIMARY KEY, ref TEXT NOT NULL, key BLOB NOT NULL,"
        " data BLOB NOT NULL) STRICT"
    )


@migrations()
def credentials(db: Database) -> None:
    """Leases of credentials for tool servers, without the secrets (credentials.py)."""
    db.execute(
        "CREATE TABLE credential (id TEXT PRIMARY KEY, run TEXT NOT NULL, state TEXT NOT NULL,"
        " asked_at INTEGER NOT NULL, document TEXT NOT NULL) STRICT, WITHOUT ROWID"
    )
    # Small, for who ends them: only those with something to end stand in it.
    db.execute(
        "CREATE INDEX credential_live ON credential (run)"
        " WHERE state IN ('pending', 'active', 'revoking')"
    )
    db.execute("CREATE INDEX credential_asked ON credential (asked_at)")


@migrations()
def purses(db: Database) -> None:
    """A purse is what a spend reads and writes, and no more, by a number: who it belongs to stands with what the
    grant says. One that is over expires at 0."""
    for column in ("purse INTEGER NOT NULL DEFAULT 0", "parent TEXT NOT NULL DEFAULT ''"):
        db.execute(f'ALTER TABLE "grant" ADD COLUMN {column}')
    db.execute("ALTER TABLE \"grant\" ADD COLUMN state TEXT NOT NULL DEFAULT 'active'")
    db.execute('CREATE INDEX grant_parent ON "grant" (parent)')
    db.execute("ALTER TABLE purse RENAME TO old_purse")
    db.execute(
        "CREATE TABLE purse (place INTEGER PRIMARY KEY, expires_at INTEGER NOT NULL, idle INTEGER,"
        " used_at INTEGER NOT NULL, used INTEGER NOT NULL, uses INTEGER, writes INTEGER,"
        " bytes INTEGER, step INTEGER, burst INTEGER NOT NULL, due INTEGER NOT NULL) STRICT"
    )
    for (old,) in db.execute("SELECT place FROM old_purse").fetchall():
        place = budgets.place(*old.split("/", 1))
        db.execute(_NEW_PURSE, (place, old))
        db.execute(_ITS_GRANT, (place, old))
    db.execute("DROP TABLE old_purse")


@migrations()
def fewer_indexes(db: Database) -> None:
    """Each index is a page more in every commit, and agents and servers are few: who looks for the calls of one
    reads past those of the others."""
    for column in ("agent", "server"):
        db.execute(f"DROP INDEX idx_call_{column}")


@migrations()
def folded(db: Database) -> None:
    """A spend is told by its line and nowhere else; `purses` are as of the line in `folded` (ledger.py).

    By another name: a process of the version before, which knows nothing of the lines since, finds none and
    spends nothing."""
    db.execute("ALTER TABLE event ADD COLUMN spent TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE purse RENAME TO purses")
    db.execute("CREATE TABLE folded (seq INTEGER NOT NULL) STRICT")
    db.execute("INSERT INTO folded SELECT coalesce(max(seq), 0) FROM event")


@migrations()
def filed(db: Database) -> None:
    """`calls` are as of the line in `filed` (filing.py).

    By another name: a process of the version before, which takes a row's state for the call's, finds none and
    writes nothing."""
    db.execute("ALTER TABLE call RENAME TO calls")
    db.execute("CREATE TABLE filed (seq INTEGER NOT NULL) STRICT")
    db.execute("INSERT INTO filed SELECT coalesce(max(seq), 0) FROM event")
    db.execute("CREATE INDEX run_name ON run (name)")


_NEW_PURSE: Final = (
    "INSERT INTO purse SELECT ?, iif(state = 'active', expires_at, 0), idle, used_at, used, uses,"
    " writes, bytes, step, burst, due FROM old_purse WHERE place = ?"
)
_ITS_GRANT: Final = (
    'UPDATE "grant" SET purse = ?, parent = old.parent, state = old.state'
    ' FROM old_purse AS old WHERE old.place = ? AND old.id = "grant".id'
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
