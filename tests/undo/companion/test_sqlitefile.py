"""The companion of a SQLite file: whatever SQL did, every row and every table is as it was, or nothing is touched."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.reverse import Captured
from gateway.undo.changes import GROWS, LARGE, NAME, same
from gateway.undo.companion.base import No
from gateway.undo.companion.sqlitefile import SqliteFile
from gateway.undo.companion.store import Compared

NUMBERED = [
    "CREATE TABLE book (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT)",
    "CREATE INDEX by_title ON book (title)",
    "CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    "INSERT INTO book (title) VALUES ('Emma'), ('Persuasion'), ('Sanditon')",
    "DELETE FROM book WHERE title = 'Sanditon'",
    "INSERT INTO author DEFAULT VALUES",
]
MIGRATED = [
    "CREATE TABLE fresh (id INTEGER PRIMARY KEY AUTOINCREMENT, title VARCHAR(9) NOT NULL)",
    "INSERT INTO fresh SELECT * FROM book",
    "DROP TABLE book",
    "ALTER TABLE fresh RENAME TO book",
    "CREATE INDEX by_title ON book (title)",
]
"""How SQLite wants a table altered: made anew, filled, and named as the old one."""

SEARCHED = [
    "CREATE VIRTUAL TABLE page USING fts5 (title, body)",
    "CREATE TABLE note (a)",
    "INSERT INTO page VALUES ('Bath', 'a city'), ('Lyme', 'by the sea')",
    "INSERT INTO page (page) VALUES ('optimize')",
    "DELETE FROM page WHERE title = 'Bath'",
    "INSERT INTO page VALUES ('Highbury', 'a village')",
]

WRITTEN_THROUGH = [
    "CREATE TABLE t (a)",
    "CREATE VIEW v AS SELECT a FROM t",
    "CREATE TRIGGER through INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a); END",
]

WORLDS: dict[str, tuple[list[str], list[str]]] = {
    "a row with an integer primary key": (
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "INSERT INTO t VALUES (7, 'x'), (9, 'y')"],
        ["UPDATE t SET a = 'z' WHERE id = 7", "DELETE FROM t WHERE id = 9", "INSERT INTO t (a) VALUES (1)"],
    ),
    "numbers given out by two tables": (
        NUMBERED,
        ["INSERT INTO author DEFAULT VALUES", "INSERT INTO book (title) VALUES ('Emma')"],
    ),
    "a dropped table that gave out numbers": (NUMBERED, ["DROP TABLE book"]),
    "a table altered by making it anew": (NUMBERED, MIGRATED),
    "the same, and a row after it": (
        NUMBERED,
        [*MIGRATED, "INSERT INTO book (title) VALUES ('Emma')"],
    ),
    "a constraint put on a table with rows": (
        ["CREATE TABLE t (a)", "INSERT INTO t VALUES ('x')"],
        [
            "CREATE TABLE n (a CHECK (a <> ''))",
            "INSERT INTO n SELECT * FROM t",
            "DROP TABLE t",
            "ALTER TABLE n RENAME TO t",
        ],
    ),
    "a table whose text only says WITHOUT ROWID": (
        ["CREATE TABLE t (a DEFAULT 'without rowid')", "INSERT INTO t VALUES ('x'), ('y')"],
        ["DELETE FROM t WHERE a = 'x'"],
    ),
    "a table without rowids, keyed across its columns": (
        [
            "CREATE TABLE t (a TEXT COLLATE NOCASE, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
            "INSERT INTO t VALUES ('x', 1)",
        ],
        ["INSERT INTO t VALUES ('y', 1)", "DELETE FROM t WHERE a = 'X'"],
    ),
    "a table with a column called rowid": (
        ["CREATE TABLE t (rowid, a)", "INSERT INTO t VALUES (5, 'x'), (5, 'y')"],
        ["DELETE FROM t WHERE a = 'x'"],
    ),
    "what a trigger did": (
        [
            "CREATE TABLE t (a)",
            "CREATE TABLE seen (a)",
            "CREATE TRIGGER look AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (new.a); END",
        ],
        ["INSERT INTO t VALUES (1)", "DROP TRIGGER look"],
    ),
    "a view that is written through is dropped": (WRITTEN_THROUGH, ["DROP VIEW v"]),
    "one that is made anew, with the same trigger": (
        WRITTEN_THROUGH,
        ["DROP VIEW v", "CREATE VIEW v AS SELECT a, 1 FROM t", WRITTEN_THROUGH[2]],
    ),
    "values JSON has no word for": (
        [
            "CREATE TABLE t (a, b REAL)",
            "INSERT INTO t VALUES (x'00ff', 1e999), (9223372036854775807, 2), (-0.0, 1e-310)",
        ],
        ["DELETE FROM t"],
    ),
    "a table to be searched that is dropped": (SEARCHED, ["DROP TABLE page"]),
    "one that is made": (SEARCHED[1:2], SEARCHED[:1] + SEARCHED[2:]),
    "one that is made anew, otherwise": (
        SEARCHED,
        ["DROP TABLE page", "CREATE VIRTUAL TABLE page USING fts5 (title)"],
    ),
    "rows of one": (SEARCHED, ["UPDATE page SET body = 'a town'", "DELETE FROM page WHERE title = 'Lyme'"]),
    "one of the kind before": (
        ["CREATE VIRTUAL TABLE page USING fts4 (title)", "INSERT INTO page VALUES ('Bath')"],
        ["DROP TABLE page"],
    ),
    "a column more": (
        ["CREATE TABLE t (a)", "INSERT INTO t VALUES ('x')", "CREATE VIEW v AS SELECT a FROM t"],
        ["ALTER TABLE t ADD COLUMN b DEFAULT 3", "DROP VIEW v", "PRAGMA user_version = 4"],
    ),
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db"


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def seen(path: Path) -> Iterator[str]:
    """Read past the companion: how everything is made, and every row of every table in its order. Numbers given out
    have none that counts."""
    with closing(sqlite3.connect(path)) as database:
        made = database.execute(
            "SELECT type, name, sql FROM sqlite_master ORDER BY name"
        ).fetchall()
        for kind, name, sql in made:
            yield f"{kind} {name} {sql}"
            if kind == "table":
                order = " ORDER BY name" if name == "sqlite_sequence" else ""
                yield from map(repr, database.execute(f'SELECT * FROM "{name}"{order}').fetchall())
        yield repr(database.execute("PRAGMA user_version").fetchone())


def changed_by(path: Path, compared: Compared, *statements: str) -> dict[str, Any]:
    mark = compared.state()["state"]
    run(path, *statements)
    return compared.changes(mark)


def meets(path: Path, sql: list[str], since: str, conflict: str) -> None:
    """Somebody else wrote since: what `sql` did is left, and so is all that is there."""
    compared = Compared(SqliteFile(path))
    changes = changed_by(path, compared, *sql)
    run(path, since)
    was = list(seen(path))
    with pytest.raises(No, match=conflict):
        compared.put(changes["was"], changes["now"])
    assert list(seen(path)) == was


@pytest.mark.parametrize(("before", "sql"), WORLDS.values(), ids=list(WORLDS))
def test_what_sql_did_is_put_back(path: Path, before: list[str], sql: list[str]) -> None:
    run(path, *before)
    was, compared = list(seen(path)), Compared(SqliteFile(path))
    changes = changed_by(path, compared, *sql)
    assert list(seen(path)) != was
    assert compared.put(changes["was"], changes["now"]) == {"changed": True}
    assert list(seen(path)) == was


def test_a_table_to_be_searched_that_came_back_is_searched_and_written_as_before(
    path: Path,
) -> None:
    run(path, *SEARCHED)
    compared = Compared(SqliteFile(path))
    changes = changed_by(path, compared, "DROP TABLE page")
    compared.put(changes["was"], changes["now"])
    run(path, "INSERT INTO page VALUES ('Uppercross', 'a village')")
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT title FROM page WHERE page MATCH 'village'").fetchall()
        database.execute("INSERT INTO page (page) VALUES ('integrity-check')")
    assert found == [("Highbury",), ("Uppercross",)]


def test_a_row_somebody_else_wrote_into_a_new_table_is_not_lost_with_it(path: Path) -> None:
    run(path, "CREATE TABLE other (a)")
    made = ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"]
    meets(path, made, "INSERT INTO t VALUES (2)", "CONFLICT")


@pytest.mark.parametrize(
    ("before", "sql", "since"),
    [
        (
            ["CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES ('x')"],
            "DELETE FROM t",
            "INSERT INTO t (rowid, a) VALUES (9, 'x')",
        ),
        (
            ["CREATE TABLE t (a COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID", "INSERT INTO t VALUES ('X')"],
            "UPDATE t SET a = 'y'",
            "INSERT INTO t VALUES ('x')",
        ),
        (
            ["CREATE TABLE t (a)", "CREATE UNIQUE INDEX once ON t (a)", "INSERT INTO t VALUES ('x')"],
            "DELETE FROM t",
            "INSERT INTO t (rowid, a) VALUES (9, 'x')",
        ),
        (
            ["CREATE TABLE t (a)", "CREATE UNIQUE INDEX once ON t (a)", "INSERT INTO t VALUES ('x')"],
            "DROP INDEX once",
            "INSERT INTO t VALUES ('x')",
        ),
    ],
)  # fmt: skip
def test_a_unique_value_that_somebody_else_has_taken_since_is_a_conflict(
    path: Path, before: list[str], sql: str, since: str
) -> None:
    run(path, *before)
    meets(path, [sql], since, r"^CONFLICT: UNIQUE constraint failed")


def test_numbers_that_others_were_given_since_are_no_conflict_and_stay(path: Path) -> None:
    run(path, *NUMBERED)
    compared = Compared(SqliteFile(path))
    changes = changed_by(path, compared, "INSERT INTO book (title) VALUES ('Lady Susan')")
    run(path, "INSERT INTO book (title) VALUES ('Sanditon')")
    was = list(seen(path))
    compared.put(changes["was"], changes["now"])
    assert list(seen(path)) == [line for line in was if "Lady Susan" not in line]


def test_a_column_named_like_what_is_said_of_such_numbers_is_a_column(path: Path) -> None:
    run(path, f'CREATE TABLE t ("{GROWS}", "{LARGE}")', "CREATE TABLE u (record)")
    was, compared = list(seen(path)), Compared(SqliteFile(path))
    found = changed_by(path, compared, "INSERT INTO t VALUES (4, 1)", "INSERT INTO u VALUES (4)")
    run(path, "DELETE FROM u")
    now = compared.records(list(found["now"]))["records"]
    assert not same({}, {NAME: Captured("value", {"was": found["was"], "now": now})})
    compared.put(found["was"], found["now"])
    assert list(seen(path)) == was


def test_a_table_that_gave_out_numbers_comes_back_beside_one_that_began_to_since(
    path: Path,
) -> None:
    run(path, *NUMBERED[:-1])
    was, compared = list(seen(path)), Compared(SqliteFile(path))
    changes = changed_by(path, compared, "DROP TABLE book")
    run(path, NUMBERED[-1])
    compared.put(changes["was"], changes["now"])
    assert set(seen(path)) == {*was, "(1,)", "('author', 1)"}


def test_rows_of_a_table_that_somebody_dropped_since_are_a_conflict(path: Path) -> None:
    run(path, *NUMBERED)
    gone = ["DELETE FROM book WHERE title = 'Emma'"]
    meets(path, gone, "DROP TABLE book", r"^CONFLICT: .*its table is not there any more")


NAMING = [
    "CREATE TABLE room (id INTEGER PRIMARY KEY)",
    "CREATE TABLE guest (room REFERENCES room (id) ON DELETE CASCADE)",
    "INSERT INTO room VALUES (1)",
    "INSERT INTO guest VALUES (1)",
]


@pytest.mark.parametrize(
    ("sql", "since"),
    [
        ("INSERT INTO room VALUES (2)", "INSERT INTO guest VALUES (2)"),
        ("DELETE FROM guest", "DELETE FROM room"),
    ],
)
def test_a_row_that_somebody_hung_on_another_since_is_not_left_hanging(
    path: Path, sql: str, since: str
) -> None:
    run(path, *NAMING)
    meets(path, [sql], since, r"^CONFLICT: row \d of guest names")


@pytest.mark.parametrize(
    "before",
    [
        [*NAMING, "INSERT INTO guest VALUES (2)"],
        ["CREATE TABLE room (id)", *NAMING[1:], "INSERT INTO guest VALUES (2)"],
    ],
)
def test_where_rows_may_name_what_is_not_there_they_do_again(path: Path, before: list[str]) -> None:
    run(path, *before)
    was, compared = list(seen(path)), Compared(SqliteFile(path))
    changes = changed_by(path, compared, "INSERT INTO room VALUES (2)")
    compared.put(changes["was"], changes["now"])
    assert list(seen(path)) == was


def test_a_file_put_in_the_place_of_another_is_the_one_that_is_looked_at(path: Path) -> None:
    run(path, "CREATE TABLE t (a)", "INSERT INTO t VALUES ('x')")
    compared = Compared(SqliteFile(path))
    mark = compared.state()["state"]
    run(path.with_name("other.db"), "CREATE TABLE t (a)")
    os.replace(path.with_name("other.db"), path)
    assert list(compared.changes(mark)["was"].values()) == [{"a": "x"}]


def test_a_file_that_was_taken_away_is_not_made_by_a_look(path: Path) -> None:
    run(path, "CREATE TABLE t (a)")
    compared = Compared(SqliteFile(path))
    path.unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        compared.state()
    assert not path.exists()


def test_text_that_is_no_utf8_comes_back_as_text_and_keeps_nothing_else_from_it(path: Path) -> None:
    """As a program left it that wrote Latin-1."""
    run(
        path,
        "CREATE TABLE t (a TEXT PRIMARY KEY, b) WITHOUT ROWID",
        "INSERT INTO t VALUES (CAST(x'436166e9' AS TEXT), CAST(x'e9' AS TEXT)), ('x', 1)",
    )
    look = "SELECT typeof(a), hex(a), typeof(b), hex(b) FROM t"

    def rows() -> list[Any]:
        with closing(sqlite3.connect(path)) as database:
            return database.execute(look).fetchall()

    was, compared = rows(), Compared(SqliteFile(path))
    changes = changed_by(
        path, compared, "UPDATE t SET b = 2", "UPDATE t SET a = 'y' WHERE a <> 'x'"
    )
    compared.put(changes["was"], changes["now"])
    assert rows() == was


def test_who_has_not_read_to_the_end_is_no_hindrance_to_a_look(path: Path) -> None:
    """A server that keeps one cursor holds its last read open until its next statement."""
    run(path, "CREATE TABLE t (a)", "INSERT INTO t VALUES ('x'), ('y')")
    compared = Compared(SqliteFile(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        cursor = database.cursor()
        cursor.execute("SELECT a FROM t").fetchone()
        mark = compared.state()["state"]
        cursor.execute("INSERT INTO t VALUES ('z')")
        cursor.execute("SELECT a FROM t").fetchone()
        changes = compared.changes(mark)
        cursor.close()
    assert changes["was"].keys() == {"rows/t/%5B3%5D"}
    assert compared.put(changes["was"], changes["now"]) == {"changed": True}
    assert list(seen(path)) == [
        "table t CREATE TABLE t (a)", "('x',)", "('y',)", "(0,)",
    ]  # fmt: skip
