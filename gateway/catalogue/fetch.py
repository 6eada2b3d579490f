"""Read all that one tool server lists: every page, within bounds.

It decides nothing: what is read is compared with the pins elsewhere. It knows `ports.ToolServer`
and no wire.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.catalogue.items import Item, examine
from gateway.core.model import JsonObject, RpcError
from gateway.core.resolve import KINDS, ListKind
from gateway.core.settle import METHOD_NOT_FOUND
from gateway.ports import ServerUnavailable, ToolServer
from gateway.values import Value, field

MAX_PAGES: Final = 1000
MAX_ITEMS: Final = 50_000
"""Items on one page."""
MAX_TOTAL: Final = 64 * 1024 * 1024
"""Bytes of one list as JSON, the fields beside its items too."""
MAX_PROBLEM: Final = 500
"""Characters kept of what a server says when it gives no list."""


class FetchedPage(Value):
    """One page as the server cut it: the cursor it was asked by, its result less the items, these examined."""

    cursor: str | None
    raw: JsonObject
    items: tuple[Item, ...]


class Fetched(Value):
    """One list of one server: pages, or the error of a server that has no such list."""

    pages: tuple[FetchedPage, ...] = ()
    absent: RpcError | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(item for page in self.pages for item in page.items)


class Lists(Value):
    """What one server offers. A list that could not be read is in `problems` and not in `kinds`."""

    kinds: Mapping[ListKind, Fetched] = field(default_factory=dict)
    problems: Mapping[ListKind, str] = field(default_factory=dict)
    said: JsonObject | None = None
    """`ToolServer.describe()` once a list was read: what the server says of itself. None before that."""


async def fetch_lists(name: str, server: ToolServer, deadline: float) -> Lists:
    """All four lists, one after the other, within `deadline` seconds altogether. Never raises for the server.

    Each message in `problems` names the server.
    """
    kinds: dict[ListKind, Fetched] = {}
    problems: dict[ListKind, str] = {}
    try:
        async with asyncio.timeout(deadline):
            for kind in KINDS:
                try:
                    kinds[kind] = await _fetch(name, server, kind)
                except ServerUnavailable as error:
                    problems[kind] = str(error)[:MAX_PROBLEM]
                    if error.error is None:
                        break
    except TimeoutError:
        problems.update(
            {kind: f"{name}: no list within {deadline:g} s" for kind in KINDS if kind not in kinds}
        )
    if problems:
        first = next(iter(problems.values()))
        problems.update({kind: first for kind in KINDS if kind not in kinds | problems})
    return Lists(kinds, problems, _said(server) if kinds else None)


def _said(server: ToolServer) -> JsonObject | None:
    """None when it is down again already: that it says nothing then is not its word."""
    said = server.describe()
    return None if said.get("protocol_version") is None else said


async def _fetch(name: str, server: ToolServer, kind: ListKind) -> Fetched:
    """Every page of one list. Raises `ServerUnavailable`."""
    pages: list[FetchedPage] = []
    cursor: str | None = None
    seen: set[str] = set()
    total = 0
    while True:
        params: JsonObject = {} if cursor is None else {"cursor": cursor}
        try:
            raw = await server.fetch(KINDS[kind].method, params)
        except ServerUnavailable as error:
            if error.error is not None and error.error.code == METHOD_NOT_FOUND and not pages:
                return Fetched((), error.error)
            raise
        items = _items(name, kind, raw)
        # A thousand schemas are a second of work: not on the loop that serves calls.
        examined = await asyncio.to_thread(_examine, kind, items)
        raw = {**raw, KINDS[kind].items: []}
        total += _size(name, kind, raw) + sum(item.size for item in examined)
        pages.append(FetchedPage(cursor, raw, examined))
        if len(pages) > MAX_PAGES or total > MAX_TOTAL:
            raise ServerUnavailable(f"{name}: {KINDS[kind].method}: more pages than can be held")
        if raw.get("nextCursor") is None:
            return Fetched(tuple(pages))
        cursor = _next(name, kind, raw["nextCursor"], seen)


def _items(name: str, kind: ListKind, raw: object) -> list[Any]:
    items = raw.get(KINDS[kind].items) if isinstance(raw, dict) else None
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise ServerUnavailable(f"{name}: {KINDS[kind].method}: the result is no list of items")
    return items


def _next(name: str, kind: ListKind, cursor: object, seen: set[str]) -> str:
    """The cursor of the next page. The empty string is a cursor like any other."""
    method = KINDS[kind].method
    if not isinstance(cursor, str):
        raise ServerUnavailable(f"{name}: {method}: nextCursor is not a string")
    if cursor in seen:
        raise ServerUnavailable(f"{name}: {method}: its pages lead back to one already read")
    seen.add(cursor)
    return cursor


def _size(name: str, kind: ListKind, page: JsonObject) -> int:
    try:
        return len(json.dumps(page))
    except RecursionError:
        raise ServerUnavailable(f"{name}: {KINDS[kind].method}: a page that is too deep") from None


def _examine(kind: ListKind, items: list[Any]) -> tuple[Item, ...]:
    return tuple(examine(kind, item) for item in items)
