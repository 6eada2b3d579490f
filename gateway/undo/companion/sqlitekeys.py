"""How the records of a SQLite file are named: sqlitefile.py has the list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote


def made(kind: str, name: str) -> str:
    """The key of how something is made."""
    return f"schema/{kind}/{quote(name, safe='')}"


def tables_in(schema: Mapping[str, Any]) -> Iterator[str]:
    """The tables among what is made."""
    for key in schema:
        _, kind, name = key.split("/")
        if kind == "table":
            yield unquote(name)


def table_of(key: str) -> str:
    """The table of a row; empty for what is no row."""
    kind, _, rest = key.partition("/")
    return unquote(rest.partition("/")[0]) if kind == "rows" else ""


def numbers(table: str) -> str:
    """The key of what AUTOINCREMENT has given out for a table."""
    return f"numbers/{quote(table, safe='')}"


def numbered(key: str) -> str:
    """The table whose numbers these are; empty for anything else."""
    kind, _, table = key.partition("/")
    return unquote(table) if kind == "numbers" else ""
