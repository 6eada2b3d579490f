"""The ledger's companion: an undo log kept by triggers inside the database, so that every cascade is in it too.

It adds a table and triggers to the database: its owner agrees to that by starting it. Way back and comparison happen
in one transaction; what cannot be brought back exactly is left exactly as it is.
"""

import hashlib
import sqlite3
import sys
from typing import Any

from gateway.undo.companion.base import STATE, No, Operation, conflict, serve

database = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)
database.execute("PRAGMA busy_timeout = 5000")
database.execute("PRAGMA recursive_triggers = ON")
LOG = "bulkhead_undo"


def tables() -> list[str]:
    found = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return [name for (name,) in found if name != LOG]


def keep_log() -> None:
    """Three triggers for each table."""
    database.execute(
        f"CREATE TABLE IF NOT EXISTS {LOG} (seq INTEGER PRIMARY KEY AUTOINCREMENT, sql TEXT)"
    )
    for table in tables():
        columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
        names = ", ".join(f'"{column}"' for column in columns)
        old = " || ',' || ".join(spelt(column) for column in columns)
        sets = " || ',' || ".join(f"'\"{column}\"=' || {spelt(column)}" for column in columns)
        back = {
            "INSERT": f"'DELETE FROM \"{table}\" WHERE rowid=' || new.rowid",
            "DELETE": f"'INSERT INTO \"{table}\"(rowid,{names}) VALUES(' || old.rowid || ',' || {old} || ')'",
            "UPDATE": f"'UPDATE \"{table}\" SET rowid=' || old.rowid || ',' || {sets} || ' WHERE rowid=' || new.rowid",
        }
        for event, sql in back.items():
            database.execute(
                f'CREATE TRIGGER IF NOT EXISTS "{LOG}_{table}_{event}" AFTER {event} ON "{table}" '
                f"BEGIN INSERT INTO {LOG}(sql) VALUES({sql}); END"
            )


def spelt(column: str) -> str:
    """SQL that spells an old value as SQL. SQLite's own `quote` ends a text at its first NUL."""
    value = f'old."{column}"'
    text = f"'CAST(x''' || hex({value}) || ''' AS TEXT)'"
    return f"CASE typeof({value}) WHEN 'text' THEN {text} ELSE quote({value}) END"


def newest() -> int:
    return int(database.execute(f"SELECT coalesce(max(seq), 0) FROM {LOG}").fetchone()[0])


def state() -> str:
    """A digest of every row of every table, and of how the tables are made."""
    summed = hashlib.sha256()
    shape = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    summed.update(repr(database.execute(shape).fetchall()).encode())
    for table in sorted(tables()):
        rows = database.execute(f'SELECT rowid, * FROM "{table}" ORDER BY rowid').fetchall()
        summed.update(repr((table, rows)).encode())
    return f"rows:{summed.hexdigest()}"


def sql_state() -> dict[str, Any]:
    database.execute("BEGIN")
    try:
        return {"seq": newest(), "state": state()}
    finally:
        database.execute("COMMIT")


def sql_restore(seq: int, state_then: str, expect: str) -> dict[str, Any]:
    database.execute("BEGIN IMMEDIATE")
    try:
        changed = _restored(seq, state_then, expect)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    return {"changed": changed, "state": state_then}


def _restored(seq: int, state_then: str, expect: str) -> bool:
    now = state()
    if now == state_then:
        return False
    if now != expect:
        raise conflict("the database", expect, now)
    triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    waiting = database.execute(triggers).fetchall()
    for name, _ in waiting:
        database.execute(f'DROP TRIGGER "{name}"')  # what they did is in the log already
    log = f"SELECT sql FROM {LOG} WHERE seq > ? ORDER BY seq DESC"
    for (sql,) in database.execute(log, [seq]).fetchall():
        database.execute(sql)
    for _, sql in waiting:
        database.execute(sql)
    if state() != state_then:
        raise No("FAILED", "the log does not lead back there; nothing was changed")
    database.execute(f"DELETE FROM {LOG} WHERE seq > ?", [seq])
    return True


keep_log()
NUMBER = {"type": "integer", "minimum": 0}
serve(
    "ledger-undo",
    "1.0",
    [
        Operation(
            "sql_state", "Where the undo log is, and a digest of all rows.", {}, sql_state, "read"
        ),
        Operation(
            "sql_restore",
            "All rows as they were.",
            {"seq": NUMBER, "state_then": STATE, "expect": STATE},
            sql_restore,
        ),
    ],
)
