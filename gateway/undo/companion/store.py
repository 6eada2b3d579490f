"""All of a store, compared before and after a call: what changed is put back, and nothing else is touched.

    store_state()                   -> {state}            marks all records as they are now
    store_changes(since)            -> {was, now}         what differs from a mark, by key; null: no such record
    store_records(keys)             -> {records}          these records now; null: no such record
    store_put(records, expect)      -> {changed}          CONFLICT unless each is as expected, or back already

Nobody need know what a tool writes: creates whose key the server chooses, cascades, several records at
once. The values go into the gateway's journal with the call; a mark itself lives as long as this process,
for a call is compared right after it was made. It knows a store by five functions, and no gateway.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from gateway.undo.changes import grown, lost, quoted, unquoted
from gateway.undo.companion.base import TEXT, JsonObject, No, Operation
from gateway.values import Value

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all records together, as JSON."""
MARKS: Final = 16
NOTHING: Final = "store:nothing"
"""The mark of a store without records: since then, everything is new."""
RECORDS: Final[JsonObject] = {"type": "object", "minProperties": 1}


class Store(Protocol):
    """Records by key. A record is any JSON but null."""

    def alone(self) -> AbstractContextManager[Any]:
        """Entered around every look and every write: a lock, or a transaction given up by an exception."""
        ...

    def keys(self) -> Iterable[str]:
        """Of all records there are."""
        ...

    def read(self, key: str) -> Any:
        """None: there is no such record. Must change nothing."""
        ...

    def write(self, records: Mapping[str, Any]) -> None:
        """Make these as given; None: not there. All or, by an exception, as many as could be."""
        ...


def text_of(record: Any) -> str:
    """A record as text, members in their order. Raises `No` for what would not come back from it as it was."""
    if record is None or not _is_plain(record):
        raise No(
            "OTHER", "a record is plain JSON: object members are named by text, no tuples, no dates"
        )
    try:
        return json.dumps(record, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise No("OTHER", f"a record is plain JSON: {error}") from None


def in_one_order(text: str) -> str:
    """The same text for the same members, whatever their order: who keeps records need not keep the order."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(name) is str and _is_plain(each) for name, each in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind in (str, int, float, bool, type(None))


class Functions(Value):
    """A store of its owner's functions."""

    alone: Callable[[], AbstractContextManager[Any]]
    keys: Callable[[], Iterable[str]]
    find: Callable[[str], Any]
    put: Callable[[str, Any], None]
    delete: Callable[[str], None] | None

    def read(self, key: str) -> Any:
        """Whatever an agent wrote there: none of its members is one of ours."""
        return quoted(self.find(key))

    def write(self, records: Mapping[str, Any]) -> None:
        """One by one."""
        in_some_order(records, self._put_back, self._take_away)

    def _put_back(self, key: str, record: Any) -> None:
        self.put(key, unquoted(record))

    def _take_away(self, key: str) -> None:
        if self.delete is None:
            raise No("OTHER", f"{key}: nothing takes a record away here")
        if self.find(key) is not None:
            self.delete(key)


class Compared:
    """The four tools over a store."""

    def __init__(self, store: Store, max_bytes: int = MAX_BYTES) -> None:
        self._store = store
        self._most = max_bytes
        self._marks: OrderedDict[str, dict[str, str]] = OrderedDict()

    def operations(self) -> list[Operation]:
        """As they are listed."""
        keys = {"type": "array", "items": TEXT, "minItems": 1}
        put = {"records": RECORDS, "expect": RECORDS}
        return [
            Operation("store_state", "Marks all records.", {}, self.state, "read"),
            Operation(
                "store_changes", "What changed since.", {"since": TEXT}, self.changes, "read"
            ),
            Operation("store_records", "Records by key.", {"keys": keys}, self.records, "read"),
            Operation("store_put", "Put records back.", put, self.put),
        ]

    def state(self) -> JsonObject:
        """A mark, and in one word how all is now."""
        with self._store.alone():
            now = self._all()
        state = _digest(now)
        self._marks[state] = now
        self._marks.move_to_end(state)
        while len(self._marks) > MARKS:
            self._marks.popitem(last=False)
        return {"state": state}

    def changes(self, since: str) -> JsonObject:
        """ABSENT: no such mark, in this process. TOO_LARGE: what changed cannot be put back."""
        was = {} if since == NOTHING else self._marks.get(since)
        if was is None:
            raise No("ABSENT", "no such mark: this companion was started after it")
        with self._store.alone():
            now = self._all()
        differ = sorted(k for k in was.keys() | now.keys() if was.get(k) != now.get(k))
        before = _values(was, differ)
        if gone := lost(before):
            raise No("TOO_LARGE", f"{gone} was more than is kept")
        return {"was": before, "now": _values(now, differ)}

    def records(self, keys: list[str]) -> JsonObject:
        """Each of the keys."""
        with self._store.alone():
            return {"records": _values(self._some(keys), keys)}

    def put(self, records: JsonObject, expect: JsonObject) -> JsonObject:
        """Compare, write, and look: what was written back differently is not called done."""
        if records.keys() != expect.keys():
            raise No("INVALID", "records and expect name the same keys")
        wanted, expected = _texts(records), _texts(expect)
        with self._store.alone():
            now = self._now(records)
            ours = [key for key in records if not _was_given_on(expect[key], now.get(key))]
            for key in ours:
                if now.get(key) not in (wanted.get(key), expected.get(key)):
                    raise No("CONFLICT", f"{key} is not as the call left it; nothing was changed")
            todo = {k: records[k] for k in ours if now.get(k) != wanted.get(k)}
            if todo:
                self._store.write(todo)
            now = self._now(ours)
            if any(now.get(key) != wanted.get(key) for key in ours):
                raise No("FAILED", "the records are not as they were, after they were written")
        return {"changed": bool(todo)}

    def _all(self) -> dict[str, str]:
        last = next(reversed(self._marks.values()), {})
        found: dict[str, str] = {}
        size = 0
        for key in self._store.keys():
            record = self._store.read(key)
            if record is None:
                continue
            text = text_of(record)
            size += len(text)
            if size > self._most:
                raise No("TOO_LARGE", f"all records are more than {self._most} bytes")
            # What did not change is kept once, however many marks there are.
            found[key] = last[key] if last.get(key) == text else text
        return found

    def _now(self, keys: Iterable[str]) -> dict[str, str]:
        return {key: in_one_order(text) for key, text in self._some(keys).items()}

    def _some(self, keys: Iterable[str]) -> dict[str, str]:
        read = ((key, self._store.read(key)) for key in keys)
        return {key: text_of(record) for key, record in read if record is not None}


def in_some_order(records: Mapping[str, Any], put: Any, delete: Any) -> None:
    """Write them one by one: what goes first, then what comes; one that fails waits for the others.

    Raises what the last one raised, when none of those left can be written."""
    left = sorted(records.items(), key=lambda item: item[1] is not None)
    while left:
        failed: list[tuple[str, Any]] = []
        why: Exception | None = None
        for key, value in left:
            try:
                delete(key) if value is None else put(key, value)
            except Exception as error:
                failed.append((key, value))
                why = error
        if why is not None and len(failed) == len(left):
            raise why
        left = failed


def _was_given_on(expected: Any, now: str | None) -> bool:
    """A number that has been given out to others since: it stays."""
    return expected is not None and now is not None and grown(expected, json.loads(now))


def _values(texts: Mapping[str, str], keys: Iterable[str]) -> JsonObject:
    return {key: json.loads(texts[key]) if key in texts else None for key in keys}


def _texts(records: JsonObject) -> dict[str, str]:
    given = {key: text_of(value) for key, value in records.items() if value is not None}
    return {key: in_one_order(text) for key, text in given.items()}


def _digest(texts: Mapping[str, str]) -> str:
    summed = hashlib.sha256()
    for key in sorted(texts):
        summed.update(json.dumps([key, texts[key]]).encode())
    return f"store:{summed.hexdigest()}"
