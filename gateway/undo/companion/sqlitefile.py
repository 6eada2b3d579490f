"""Every row of a SQLite file as a record, and how its tables are made: SQL taken back, whatever it was.

    schema/<type>/<name>     {sql}                     tables, views, indices, triggers
    rows/<table>/<rowid>     {column: value}           for a table without rowids: rows/<table>/<primary key as JSON>
    numbers/<table>          {only grows: number}      what AUTOINCREMENT has given out
    pragma/<name>            {is: value}               user_version, application_id

Rows are compared, not statements: cascades, `REPLACE`, changed keys, DDL and migrations are all in it. Nothing
is added to the database. All happens in one transaction, with the triggers away while rows are put back:
what they did is among the rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from gateway.errors import Misconfigured
from gateway.undo.changes import GROWS, quoted, unquoted
from gateway.undo.companion.base import No
from gateway.undo.companion.sqlitekeys import made, numbered, numbers, table_of, tables_in
from gateway.undo.companion.sqlitevalues import mark, record_of, text, value_of, values_of
from gateway.values import Value

BUSY_SECONDS: Final = 10.0
PRAGMAS: Final = ("user_version", "application_id")
_AFTER: Final = ("index", "view", "trigger")
"""What is made again once the rows are there, in this order: a view can have triggers."""
_NUMBERS: Final = "sqlite_sequence"
"""SQLite's own table of what AUTOINCREMENT has given out."""
_TAKEN: Final = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")
"""There is such a value already. Before the call there was not: somebody wrote it since."""


class _Table(Value):
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """What tells its rows apart: its rowid's spelling, or its primary key."""

    @property
    def selected(self) -> str:
        return ", ".join(map(_name, (*self.key, *self.columns)))


class SqliteFile:
    """`store.Store` over one database."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured` when there is no such file."""
        if not path.is_file():
            raise Misconfigured(f"{path}: no such file")
        self._path = path
        self._database: sqlite3.Connection
        self._tables: dict[str, _Table] = {}
        self._seen: dict[str, Any] = {}
        self._wrote = False
        self._loose = False
        """Rows were seen that name a row which is not there: whoever writes here does not mind."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One transaction in which nobody else writes. A mere look is rolled back: a commit would wait for every
        reader that has not come to its end, such as a server that keeps a cursor open."""
        with closing(self._opened()) as self._database:
            self._wrote = False
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._look()
                self._loose = self._loose or self._dangling() is not None
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT" if self._wrote else "ROLLBACK")

    def _opened(self) -> sqlite3.Connection:
        """Opened anew each time: another file may have been put in the place of this one."""
        place = f"{self._path.absolute().as_uri()}?mode=rw"
        opened = sqlite3.connect(place, timeout=BUSY_SECONDS, isolation_level=None, uri=True)
        opened.text_factory = text
        return opened

    def keys(self) -> Iterable[str]:
        """Everything there is."""
        return self._seen

    def read(self, key: str) -> Any:
        """As it is in this transaction."""
        return self._seen.get(key)

    def write(self, records: Mapping[str, Any]) -> None:
        """All of them; what is not among them stays exactly as it is. Raises `No`, `sqlite3.Error`."""
        self._wrote = True
        try:
            self._written(records)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname in _TAKEN:
                raise No(
                    "CONFLICT", f"{error}, with a row written since; nothing was changed"
                ) from error
            raise

    def _written(self, records: Mapping[str, Any]) -> None:
        others = {key: value for key, value in self._seen.items() if key not in records}
        schema = {key: value for key, value in records.items() if key.startswith("schema/")}
        waiting = self._without_triggers(schema)
        remade = self._tables_made(schema)
        self._rows_gone(records, remade)
        self._look()
        kept = remade & self._tables.keys()
        rows = {key: value for key, value in others.items() if table_of(key) in kept}
        self._rows_come({**rows, **records})
        self._numbers_come({**others, **records})
        last = {made(kind, name): {"sql": sql} for kind, name, sql in waiting} | schema
        for kind in _AFTER:
            for key in sorted(last):
                if last[key] is not None and key.split("/")[1] == kind:
                    self._database.execute(last[key]["sql"])
        for key, value in records.items():
            if key.startswith("pragma/") and value is not None:
                self._database.execute(f"PRAGMA {_pragma(key)} = {int(value['is'])}")
        self._look()
        lost = [key for key, value in others.items() if self._seen.get(key) != value]
        hit = next((key for key in lost if table_of(key) not in ("", *self._tables)), None)
        if hit is not None:
            raise No("CONFLICT", f"{hit} is in a table that was not there; nothing was changed")
        if lost:
            raise No("FAILED", "something else would be changed by it; nothing was")
        if not self._loose and (row := self._dangling()) is not None:
            raise No(
                "CONFLICT", f"{row} names a row that would be gone, or is; nothing was changed"
            )

    def _dangling(self) -> str | None:
        """A row that names, by a foreign key, one that is not there."""
        try:
            found = self._database.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.OperationalError:  # a key that can name nothing
            self._loose = True
            return None
        return None if found is None else f"row {found[1]} of {found[0]}"

    def _without_triggers(self, schema: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Take away triggers, before the views they are on, and what is to be gone or made anew; what must come
        back, how it was made."""
        found = (
            "SELECT type, name, tbl_name, sql FROM sqlite_master"
            " WHERE sql IS NOT NULL AND type != 'table' ORDER BY type"
        )
        waiting = []
        for kind, name, table, sql in self._database.execute(found).fetchall():
            touched = {made(kind, name), made("table", table)} & schema.keys()
            if kind == "trigger" or touched:
                self._database.execute(f"DROP {kind} {_name(name)}")
                waiting.append((kind, name, sql))
        return waiting

    def _tables_made(self, schema: Mapping[str, Any]) -> set[str]:
        """Tables that were not there go, those that were come back, empty. Their names.

        Virtual ones first: the tables that one keeps its own in go and come with it."""
        remade = set()
        was = {name: self._seen.get(made("table", name)) for name in tables_in(schema)}
        for name in sorted(was, key=lambda each: not _is_virtual(was[each])):
            if was[name] is not None and name in self._table_names():
                self._database.execute(f"DROP TABLE {_name(name)}")
        now = {name: schema[made("table", name)] for name in was}
        for name in sorted(now, key=lambda each: not _is_virtual(now[each])):
            remade.add(name)
            before = self._table_names()
            if now[name] is not None and name not in before:
                self._database.execute(now[name]["sql"])
                remade |= self._emptied(self._table_names() - before - {name})
        return remade

    def _table_names(self) -> set[str]:
        found = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in self._database.execute(found)}

    def _emptied(self, own: set[str]) -> set[str]:
        """What a virtual table has just made for itself. SQLite's own is no such."""
        own -= {_NUMBERS}
        for name in own:
            self._database.execute(f"DELETE FROM {_name(name)}")
        return own

    def _rows_gone(self, records: Mapping[str, Any], remade: set[str]) -> None:
        for key in records:
            if not table_of(key) or key not in self._seen:
                continue
            table, values = self._row(key)
            if table.name in remade:
                continue
            pairs = zip(table.key, values, strict=True)
            where = " AND ".join(f"{_name(each)} IS {mark(value)}" for each, value in pairs)
            self._database.execute(f"DELETE FROM {_name(table.name)} WHERE {where}", values)

    def _rows_come(self, records: Mapping[str, Any]) -> None:
        for key, record in records.items():
            if record is not None and table_of(key):
                self._row_comes(key, record)

    def _numbers_come(self, records: Mapping[str, Any]) -> None:
        """Last, and all of them: SQLite writes some of its own whenever a row comes or a table goes."""
        if _NUMBERS in self._table_names():
            self._database.execute(f"DELETE FROM {_NUMBERS}")
        for key, record in records.items():
            if record is not None and numbered(key):
                row = (numbered(key), value_of(record[GROWS]))
                self._database.execute(f"INSERT INTO {_NUMBERS} (name, seq) VALUES (?, ?)", row)

    def _row_comes(self, key: str, record: Mapping[str, Any]) -> None:
        table, values = self._row(key)
        row = {**dict(zip(table.key, values, strict=True)), **values_of(unquoted(record))}
        names = ", ".join(map(_name, row))
        marks = ", ".join(map(mark, row.values()))
        sql = f"INSERT INTO {_name(table.name)} ({names}) VALUES ({marks})"
        self._database.execute(sql, list(row.values()))

    def _row(self, key: str) -> tuple[_Table, list[Any]]:
        _, name, spelt = key.split("/", 2)
        table = self._tables.get(unquote(name))
        if table is None:
            raise No("CONFLICT", f"{key}: its table is not there any more; nothing was changed")
        return table, [value_of(each) for each in json.loads(unquote(spelt))]

    def _look(self) -> None:
        """All of it, as records."""
        self._seen, self._tables = {}, {}
        master = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        for kind, name, sql in self._database.execute(master).fetchall():
            if not name.startswith("sqlite_stat"):
                self._note(kind, name, sql)
        for pragma in PRAGMAS:
            (value,) = self._database.execute(f"PRAGMA {pragma}").fetchone()
            self._seen[f"pragma/{pragma}"] = {"is": value}

    def _note(self, kind: str, name: str, sql: str) -> None:
        if name == _NUMBERS:
            for table, number in self._database.execute(f"SELECT name, seq FROM {_NUMBERS}"):
                self._seen[numbers(table)] = {GROWS: record_of(number)}
            return
        self._seen[made(kind, name)] = {"sql": sql}
        if kind != "table" or _is_virtual({"sql": sql}):
            return
        table = self._tables[name] = self._shape(name)
        # By their places: a rowid that is an INTEGER PRIMARY KEY too comes back under that column's name.
        wide = len(table.key)
        for row in self._database.execute(f"SELECT {table.selected} FROM {_name(name)}"):
            held = [record_of(each) for each in row]
            spelt = json.dumps(held[:wide])
            record = dict(zip(table.columns, held[wide:], strict=True))
            self._seen[f"rows/{quote(name, safe='')}/{quote(spelt, safe='')}"] = quoted(record)

    def _shape(self, name: str) -> _Table:
        about = self._database.execute(f"PRAGMA table_xinfo({_name(name)})").fetchall()
        columns = tuple(row[1] for row in about if row[6] == 0)
        # Only a table without rowids has columns of this kind under its own name: those of its primary key.
        key = tuple(row[2] for row in self._database.execute(f"PRAGMA index_info({_name(name)})"))
        if key:
            return _Table(name, columns, key)
        lower = {column.lower() for column in columns}
        free = next((each for each in ("rowid", "_rowid_", "oid") if each not in lower), None)
        if free is None:
            raise No("OTHER", f"{name} hides its rowids")
        return _Table(name, columns, (free,))


def _is_virtual(record: Mapping[str, Any] | None) -> bool:
    return record is not None and record["sql"].upper().startswith("CREATE VIRTUAL")


def _pragma(key: str) -> str:
    name = key.partition("/")[2]
    if name not in PRAGMAS:
        raise No("INVALID", f"no pragma {name}")
    return name


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
