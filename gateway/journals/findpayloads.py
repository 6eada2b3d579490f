"""Which lines of a journal hold something of a call, or of a subject: one pass over all lines.

A call's payloads are in its own lines, and in those of whatever was made for it: the gateway's reads before
and after, the inverse calls of an undo and the images between them. It opens payloads and changes nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.core.act import FOR
from gateway.core.apart import EventRow
from gateway.core.written import Unseal

PAGE: Final = 1_000
_AGENT: Final = "agent:"
_ENDS: Final = r"(?![._-]*[a-z0-9])"
"""A name goes on with one of these, and with `.`, `_` or `-` if one of these follows."""


class Reader(Protocol):
    """A journal that can open payloads of any lines."""

    def events(self, after: int, limit: int) -> Sequence[EventRow]: ...

    def opened(self, rows: Sequence[EventRow]) -> Sequence[EventRow]: ...


def of_calls(reader: Reader, calls: Collection[str]) -> Mapping[str, tuple[int, ...]]:
    """Of each of these calls (whole ids), the numbers of all lines that hold something of it. Raises `JournalError`."""
    found: dict[str, list[int]] = {call: [] for call in calls}
    made_for: dict[str, str] = {}
    for row in _rows(reader):
        call = made_for.get(row.call_id, row.call_id)
        said = row.said
        names = _named(said)
        if call not in found and names in found:
            # The thread of an undo is about many calls: of it, only the lines of this one.
            call = names
            if "record" in said:
                made_for[row.call_id] = call
        if call in found:
            found[call].append(row.seq)
    return {call: tuple(lines) for call, lines in found.items()}


def of_subject(reader: Reader, subject: str, unseal: Unseal) -> list[str]:
    """Calls an agent made, or whose payloads hold this text: by id, oldest first. Raises `JournalError`.

    An agent (`agent:NAME`) is found in a text by its whole name: `agent:bob` is not in `agent:bobby`."""
    found: dict[str, None] = {}
    page: list[EventRow] = []
    for row in _rows(reader):
        page.append(row)
        if len(page) == PAGE:
            found |= dict.fromkeys(_about(reader, page, subject, unseal))
            page = []
    return list(found | dict.fromkeys(_about(reader, page, subject, unseal)))


def _about(reader: Reader, page: Sequence[EventRow], subject: str, unseal: Unseal) -> Iterator[str]:
    found = re.compile(re.escape(subject) + (_ENDS if subject.startswith(_AGENT) else "")).search
    for row in reader.opened(page):
        agent = row.said.get("record", {}).get("agent")
        texts = _texts([*row.payloads.values()], unseal)
        if agent == subject or any(_says(text, found) for text in texts):
            yield row.call_id


def _rows(reader: Reader) -> Iterator[EventRow]:
    after = 0
    while rows := reader.events(after, PAGE):
        after = rows[-1].seq
        yield from (row for row in rows if row.lost)


def _named(said: Mapping[str, Any]) -> str:
    """The call this line is about, when it is not its own."""
    where = str(said.get("record", {}).get("where", ""))
    if where.startswith(FOR):
        return where.removeprefix(FOR)
    body = said["body"]
    return str(body.get("undo_of") or body.get("of") or "")


def _says(text: str, found: Callable[[str], object]) -> bool:
    """Also where it is a file's content, as tool servers give it: in base64."""
    if found(text):
        return True
    try:
        inside = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    # What is no UTF-8 around it does not hide it.
    return found(inside.decode(errors="surrogateescape")) is not None


def _texts(value: Any, unseal: Unseal) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, unseal)
    elif isinstance(value, dict):
        if isinstance(value.get("sealed"), str):
            try:
                yield from _texts(unseal(value), unseal)
            except ValueError:
                return
        else:
            yield from value
            yield from (text for item in value.values() for text in _texts(item, unseal))
