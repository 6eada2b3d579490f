"""Statements to try the ledger's pack with: `bulkhead undo certify ledger --ground scenarios/till/ledger_ground.py`.

Rows of every storage class, a trigger of the application's own, keys that move, REPLACE, statements that fail
or change nothing. Seen by reading the file, rowids and types included.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from gateway.settings import ServerSettings

SHAPE = """
CREATE TABLE IF NOT EXISTS stock (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, count INTEGER);
CREATE TABLE IF NOT EXISTS prices_seen (item INTEGER, price REAL);
CREATE TABLE IF NOT EXISTS loose (a, b);
CREATE TRIGGER IF NOT EXISTS remember AFTER UPDATE OF price ON stock
  BEGIN INSERT INTO prices_seen VALUES (new.id, new.price); END;
"""
VALUES = (
    "NULL", "0", "-1", "9223372036854775807", "1.5", "1e300", "0.1 + 0.2", "''", "'tea'", "'zoë 😀'",
    "'it''s'", "'a' || char(0) || 'b'", "'a' || char(13, 10)", "x'00ff'", "zeroblob(3)", "'1.50'",
)  # fmt: skip


class Ground:
    """Tables that stay; rows that are new in each run."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """The database is the command's last word; its tables are there before anybody starts."""
        with sqlite3.connect(world / "ledger.db") as database:
            database.executescript(SHAPE)
        command = (*(settings.command or ())[:-1], str(world / "ledger.db"))
        return settings.model_copy(update={"command": command})

    def begin(self, world: Path, run: int, rng: Random) -> None:
        """Some rows."""
        with _opened(world) as database:
            for table in ("stock", "prices_seen", "loose"):
                database.execute(f"DELETE FROM {table}")
            for number in range(rng.randint(0, 5)):
                row = [number, f"n{number}", rng.random(), number]
                database.execute("INSERT INTO stock VALUES (?, ?, ?, ?)", row)
                database.execute(f"INSERT INTO loose VALUES ({_value(rng)}, {_value(rng)})")

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, dict[str, Any]]:
        """Any statement."""
        one, other, some = rng.randint(0, 6), rng.randint(0, 6), _value(rng)
        where = rng.choice(("", f" WHERE id = {one}", " WHERE 0"))
        return "execute", {
            "sql": rng.choice(
                (
                    f"INSERT INTO stock VALUES ({one}, 'n{other}', {some}, 1)",
                    f"INSERT INTO loose VALUES ({some}, {_value(rng)})",
                    f"INSERT INTO loose SELECT b, a FROM loose LIMIT {one}",
                    f"REPLACE INTO stock VALUES ({one}, 'n{other}', 2.5, 3)",
                    f"UPDATE stock SET price = 1.5{where}",
                    f"UPDATE stock SET id = {other + 7} WHERE id = {one}",
                    f"UPDATE loose SET a = {some}, b = a WHERE rowid % 2 = {one % 2}",
                    f"UPDATE OR REPLACE stock SET name = 'n{other}' WHERE id = {one}",
                    f"DELETE FROM stock{where}",
                    f"delete from loose where rowid = {one}",
                    "INSERT INTO nowhere VALUES (1)",
                    f"SELECT * FROM stock{where}",
                )
            )
        }

    def see(self, world: Path, run: int) -> Mapping[str, str]:
        """Every row of the shop's tables, and the tables; not the log."""
        with _opened(world) as database:
            shapes = database.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL")
            seen = {f"shape {name}": sql for name, sql in shapes}
            for table in ("stock", "prices_seen", "loose"):
                for row in database.execute(f"SELECT rowid, * FROM {table}"):
                    seen[f"{table} {row[0]}"] = repr(row)
            return seen


def _opened(world: Path) -> sqlite3.Connection:
    database = sqlite3.connect(world / "ledger.db", timeout=10)
    database.execute("PRAGMA recursive_triggers = ON")
    return database


def _value(rng: Random) -> str:
    return rng.choice(VALUES)
