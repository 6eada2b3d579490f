"""Calls whose writes are known only afterwards: what changed is found by looking, kept with its values, and put back.

Before the call all of a store is marked; after it the store says which records differ, what they were and
what they are: `{was: {key: value}, now: {key: value}}`, null for a record that is not there. That is the
`changes` of the post-image. Later looks read those records alone, so what others change beside them
neither hinders an undo nor is touched by it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from gateway.core.reverse import Captured, Image, Lease
from gateway.undo.alike import same as equal

NAME: Final = "changes"
MANY: Final = 256
"""More records than that, and the call is said to have written the whole store."""

PROCESS: Final = "bulkhead/process"
"""In the `_meta` of what a companion within its server answers: that process's session. Its number is that of the
process which a gateway started."""

LARGE: Final = "not kept, only"
"""The member of a record that is known by its state alone: it can be compared, and cannot be put back."""


GROWS: Final = "only grows"
"""The member of a record that is a number given out upward: what others were given since is no drift, and stays."""


_RECORD: Final = "record"


def quoted(record: Any) -> Any:
    """A record in words that are not ours, such that none of its members is read as one of ours."""
    ours = isinstance(record, dict) and (
        record.keys() & {GROWS, LARGE} or record.keys() == {_RECORD}
    )
    return {_RECORD: record} if ours else record


def unquoted(record: Any) -> Any:
    """The record that was quoted so."""
    is_quoted = isinstance(record, dict) and record.keys() == {_RECORD}
    return record[_RECORD] if is_quoted else record


def grown(record: Any, now: Any) -> bool:
    """Is it such a record, and has more been given out since?"""
    if not isinstance(now, dict) or not isinstance(now.get(GROWS), int):
        return False
    if record is None:
        return True
    there = isinstance(record, dict) and isinstance(record.get(GROWS), int)
    return there and record[GROWS] < now[GROWS]


def lost(records: Mapping[str, Any]) -> str | None:
    """The key of one that cannot be put back."""
    return next((k for k, one in records.items() if isinstance(one, dict) and LARGE in one), None)


def among(image: Image | None) -> dict[str, dict[str, Any]] | None:
    """`{was, now}` of an image, both of the same records; None if it has no such thing."""
    found = (image or {}).get(NAME)
    value = found.value if found is not None and found.kind == "value" else None
    if not isinstance(value, dict):
        return None
    was, now = value.get("was"), value.get("now")
    if not isinstance(was, dict) or not isinstance(now, dict) or was.keys() != now.keys():
        return None
    return {"was": was, "now": now}


def same(recorded: Image, current: Image) -> bool:
    """Are the records a call changed as recorded? An image without changes is the one before the call."""
    here, there = among(current), among(recorded)
    if here is None or not here["now"]:
        return False
    return _alike(here["was"] if there is None else there["now"], here["now"])


def _alike(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Equal, but for what has grown; that alone is never all a call did."""
    rest = [key for key, record in recorded.items() if not grown(record, now.get(key))]
    if not rest or recorded.keys() != now.keys():
        return equal(recorded, now)
    return equal({key: recorded[key] for key in rest}, {key: now[key] for key in rest})


def written(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The records a call has to itself: those that only grow are everybody's."""
    now = found["now"]
    return [key for key in now if not (isinstance(now[key], dict) and GROWS in now[key])] or [*now]


def turned(world: Image) -> Image | None:
    """The image once these records are put back: what is there now is what was. None if it has no changes."""
    here = among(world)
    if here is None:
        return None
    return {NAME: Captured("value", {"was": here["now"], "now": here["was"]})}


def narrowed(leases: Sequence[Lease], names: Iterable[str]) -> tuple[Lease, ...]:
    """The footprint, once it is known: these records under what was leased for all of the store."""
    written = sorted(names)
    if len(leases) != 1 or not 0 < len(written) <= MANY:
        return tuple(leases)
    store = leases[0]
    return tuple(Lease(f"{store.key}/{_segments(name)}", store.epoch) for name in written)


def _segments(name: str) -> str:
    """A record's name below its store: a hierarchy where it is one, else one segment."""
    parts = name.split("/")
    return "/".join(quote(p, safe="") for p in parts) if all(parts) else quote(name, safe="") or "%"
