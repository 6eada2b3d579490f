"""A companion in twenty lines: read, put and delete a record by key, each write only from the state it expects.

    from gateway.undo.companion import Companion

    notes = Companion("notes-undo", "1.0")

    @notes.alone
    def alone():
        return database            # a context manager: nobody else writes while it is entered

    @notes.read
    def read(key):                 # None: there is no such record
        row = database.execute("SELECT body FROM notes WHERE id = ?", [key]).fetchone()
        return {"body": row[0]} if row else None

    @notes.put
    def put(key, value): ...

    @notes.delete
    def delete(key): ...

    notes.run()

With `keys`, which lists all keys there are, a pack needs to know nothing of what a tool writes: all records are
compared before and after each call (undo/companion/store.py). Servers that keep their state in Python dicts
need no functions at all, and give it from within their own process:

    Companion("shop-undo").tables(lambda: DB).beside("/run/shop-undo.sock")

Its tools are `read_record(key)`, `put_record(key, value, expect)` and `delete_record(key, expect)`. `expect` is
the `state` a read gave, or `absent`. A pack captures `read_record` and writes back with the state of the
post-image: a record that was changed in between is left as it is, and reported.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from gateway.undo.companion.base import (
    ABSENT,
    STATE,
    TEXT,
    JsonObject,
    No,
    Operation,
    conflict,
    serve,
)
from gateway.undo.companion.store import Compared, Functions, Store
from gateway.undo.companion.tables import InMemory, Tables

__all__ = ["ABSENT", "Companion", "No", "state"]

Read = Callable[[str], "JsonObject | None"]
Put = Callable[[str, JsonObject], None]
Delete = Callable[[str], None]
Keys = Callable[[], Iterable[str]]
Alone = Callable[[], "AbstractContextManager[Any]"]
R = TypeVar("R", bound=Read)
P = TypeVar("P", bound=Put)
D = TypeVar("D", bound=Delete)
A = TypeVar("A", bound=Alone)
K = TypeVar("K", bound=Keys)


def state(record: JsonObject | None) -> str:
    """What compare-and-swap compares: a digest of all of a record. The same for the same members, in any order.

    Raises `ValueError` for what is not JSON: a record that cannot be told from another is not compared."""
    if record is None:
        return ABSENT
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Companion:
    """A few functions of the owner's, made into a rollback-only server.

    Without `alone`, another writer can slip in between the comparison and the write: the guard of its
    cases is then `check-then-act` at best, and `locked-check` if all writers go through the gateway."""

    def __init__(self, name: str, version: str = "1.0") -> None:
        self.name, self.version = name, version
        self._read: Read | None = None
        self._put: Put | None = None
        self._delete: Delete | None = None
        self._keys: Keys | None = None
        self._store: Store | None = None
        self._alone: Alone = nullcontext

    def read(self, function: R) -> R:
        """The record of a key, whole, as a JSON object; None if there is none. Must change nothing."""
        self._read = function
        return function

    def put(self, function: P) -> P:
        """Make the record what is given, whether or not it exists."""
        self._put = function
        return function

    def delete(self, function: D) -> D:
        """Make it not exist."""
        self._delete = function
        return function

    def keys(self, function: K) -> K:
        """The keys of all records there are."""
        self._keys = function
        return function

    def alone(self, function: A) -> A:
        """A context manager in which the comparison and the write happen: a transaction, a lock."""
        self._alone = function
        return function

    def tables(self, tables: Tables, leave: Collection[str] = ()) -> Companion:
        """All records lie in these dicts (undo/companion/tables.py); `leave`: members that are no state."""
        return self.over(InMemory(tables, leave, lambda: self._alone()))

    def whole(self, dump: Callable[[], Any], load: Callable[[Any], None]) -> Companion:
        """A store without keys: one record, read and put as one."""
        self._keys, self._read = lambda: ["all"], lambda _: {"is": dump()}
        self._put = lambda _, value: load(value["is"])
        return self

    def over(self, store: Store) -> Companion:
        """All records lie in this store."""
        self._store = store
        return self

    def run(self) -> None:
        """Serve over standard input and output."""
        serve(self.name, self.version, self.operations())

    def beside(self, socket: str | os.PathLike[str]) -> None:
        """Serve from this very process, which goes on: for state that no other can reach. Returns at once.

        In bulkhead.yaml: `command: [bulkhead, companion, join, SOCKET]`. Raises `OSError`."""
        from gateway.undo.companion.beside import serve_beside

        serve_beside(socket, self.name, self.version, self.operations())

    def operations(self) -> list[Operation]:
        """Its tools: those whose functions were given. Raises `TypeError` for too few."""
        if self._store is not None:
            return Compared(self._store).operations()
        made = self._by_key()
        if self._keys is None:
            return made
        if self._put is None:
            raise TypeError(f"{self.name}: keys without put: nothing could be put back")
        store = Functions(self._alone, self._keys, self._found, self._put, self._delete)
        return [*made, *Compared(store).operations()]

    def _by_key(self) -> list[Operation]:
        if self._read is None:
            raise TypeError(f"{self.name}: a companion without a read cannot compare")
        key = {"key": TEXT}
        made = [Operation("read_record", "One record and its state.", key, self._look, "read")]
        if self._put is not None:
            takes = {**key, "value": {"type": "object"}, "expect": STATE}
            made.append(Operation("put_record", "Put a record back.", takes, self._put_back))
        if self._delete is not None:
            takes = {**key, "expect": STATE}
            made.append(Operation("delete_record", "Take a record away.", takes, self._take_away))
        return made

    def _found(self, key: str) -> JsonObject | None:
        assert self._read is not None
        return self._read(key)

    def _look(self, key: str) -> JsonObject:
        with self._alone():
            found = self._found(key)
        if found is None:
            raise No("ABSENT", "no such record")
        return {"state": state(found), "value": found}

    def _put_back(self, key: str, value: JsonObject, expect: str) -> JsonObject:
        assert self._put is not None
        return self._swap(key, expect, state(value), partial(self._put, key, value))

    def _take_away(self, key: str, expect: str) -> JsonObject:
        assert self._delete is not None
        return self._swap(key, expect, ABSENT, partial(self._delete, key))

    def _swap(self, key: str, expect: str, wanted: str, write: Callable[[], None]) -> JsonObject:
        """Compare, write, and look: what was written back differently is not called done."""
        with self._alone():
            found = state(self._found(key))
            if found == wanted:
                return {"changed": False, "state": wanted}
            if found != expect:
                raise conflict("the record", expect, found)
            write()
            now = state(self._found(key))
        if now != wanted:
            raise No("FAILED", f"the record is {now} after it was written, not {wanted}")
        return {"changed": True, "state": wanted}
