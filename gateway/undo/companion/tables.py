"""Records that lie in Python dicts: the tables of a server that keeps its state in memory.

A table is a member of one mapping: a dict's own, or an object's by `vars`. Where it is a dict, each of
its members is a record, `<table>/<id>`; anything else is one record, `<table>`. What is put back is
put into the very dicts and lists that are there, so whoever holds one of them sees it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Final
from urllib.parse import quote, unquote

from gateway.undo.companion.store import in_some_order

Tables = Callable[[], MutableMapping[str, Any]]
_TABLE: Final = {"table": True}
"""The record of a table itself: that it is there."""


class InMemory:
    """`store.Store` over tables."""

    def __init__(
        self,
        tables: Tables,
        leave: Collection[str],
        alone: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        """`leave`: members that are no state."""
        self._tables = tables
        self._leave = frozenset(leave)
        self.alone = alone

    def keys(self) -> Iterable[str]:
        """Tables, and what is in them."""
        for name, table in list(self._tables().items()):
            if name in self._leave:
                continue
            yield quote(name, safe="")
            if isinstance(table, dict):
                yield from [f"{quote(name, safe='')}/{_spelt(each)}" for each in table]

    def read(self, key: str) -> Any:
        """The record of a table is `{table: true}`; of anything in it, `{is: ...}`."""
        name, inner = _parts(key)
        tables = self._tables()
        if name in self._leave or name not in tables:
            return None
        table = tables[name]
        if inner is None:
            return _TABLE if isinstance(table, dict) else {"is": table}
        if not isinstance(table, dict) or inner[0] not in table:
            return None
        return {"is": table[inner[0]]}

    def write(self, records: Mapping[str, Any]) -> None:
        """In place."""
        in_some_order(records, self._put, self._delete)

    def _put(self, key: str, record: Mapping[str, Any]) -> None:
        name, inner = _parts(key)
        tables = self._tables()
        if inner is not None:
            _set(tables[name], inner[0], record["is"])
        elif record == _TABLE:
            tables[name] = tables[name] if isinstance(tables.get(name), dict) else {}
        else:
            _set(tables, name, record["is"])

    def _delete(self, key: str) -> None:
        name, inner = _parts(key)
        tables = self._tables()
        if inner is None:
            tables.pop(name, None)
        elif isinstance(tables.get(name), dict):
            tables[name].pop(inner[0], None)


def _spelt(name: Any) -> str:
    """A member's name as text; what is no text is told apart by a `#`."""
    return name if isinstance(name, str) and not name.startswith("#") else f"#{json.dumps(name)}"


def _parts(key: str) -> tuple[str, tuple[Any] | None]:
    table, slash, inner = key.partition("/")
    if not slash:
        return unquote(table), None
    return unquote(table), (json.loads(inner[1:]) if inner.startswith("#") else inner,)


def _set(holder: MutableMapping[Any, Any], name: Any, value: Any) -> None:
    old = holder.get(name)
    if type(old) is dict and type(value) is dict:
        _fill(old, value)
    elif type(old) is list and type(value) is list:
        old[:] = value
    else:
        holder[name] = value


def _fill(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The same members in the same order, in the dict that is there."""
    held = dict(old)
    old.clear()
    for name, value in new.items():
        if name in held:
            old[name] = held[name]
        _set(old, name, value)
