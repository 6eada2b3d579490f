"""The answer to a list request, for one caller: what `visible` says yes to, and nothing else.

The transparent endpoint gets the server's own pages, fields and cursors; the aggregates get one list in
one order, under public names. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.catalogue.cursors import Cursors
from gateway.core.model import Answer, Endpoint, Entry, JsonObject, RpcError
from gateway.core.published import Publisher
from gateway.core.resolve import KINDS, Listing, ListKind, Page, Shelf, Table
from gateway.core.settle import INVALID_PARAMS
from gateway.errors import Refused
from gateway.reasons import Reason

Visible = Callable[[Entry], bool]
MAX_PAGE: Final = 500
"""Entries looked at for one page of an aggregate."""
LIST_METHODS: Final[dict[str, ListKind]] = {shape.method: kind for kind, shape in KINDS.items()}


def answer(
    table: Table,
    endpoint: Endpoint,
    method: str,
    params: JsonObject,
    visible: Visible,
    cursors: Cursors,
    agent: str,
) -> Answer:
    """The list of `method` (one of `LIST_METHODS`) as this caller may see it.

    `agent`: whom the cursors of an aggregate are for; one of another agent, list or version is a bad one.

    Raises `Refused`: unknown_target for a server that is not in the table, server_unavailable for a
    list that could never be read.
    """
    kind = LIST_METHODS[method]
    shelf = table.shelf(endpoint)
    cursor = params.get("cursor")
    if endpoint.kind == "server" and endpoint.server:
        listing = table.listings.get((endpoint.server, kind))
        if listing is None:
            raise Refused(Reason.SERVER_UNAVAILABLE, f"{endpoint.server}: its list was never read")
        return _own_page(listing, kind, cursor, visible)
    scope = (table.version, endpoint.path, kind, agent)
    begins = 0 if cursor is None else cursors.read(cursor, scope)
    if begins is None:
        return _bad_cursor()
    return _merged_page(shelf, kind, begins, visible, cursors, scope)


def _merged_page(
    shelf: Shelf,
    kind: ListKind,
    begins: int,
    visible: Visible,
    cursors: Cursors,
    scope: tuple[str, ...],
) -> Answer:
    """A page of an aggregate. It may hold fewer than there is room for: the rest is not this caller's."""
    entries, ends = shelf.listed(kind), begins + MAX_PAGE
    shown = [_shown(shelf, entry) for entry in entries[begins:ends] if visible(entry)]
    page: JsonObject = {KINDS[kind].items: shown}
    if any(visible(entry) for entry in entries[ends:]):
        page["nextCursor"] = cursors.make(ends, scope)
    return Answer(page)


def _own_page(listing: Listing, kind: ListKind, cursor: object, visible: Visible) -> Answer:
    """A page as the server cut it. What is hidden leaves no trace but a page that is private."""
    if listing.absent is not None:
        return Answer(error=listing.absent)
    page = next((page for page in listing.pages if _is_at(page, cursor)), None)
    if page is None:
        return _bad_cursor()
    shown = [entry.descriptor for entry in page.entries if entry is not None and visible(entry)]
    result = {**page.raw, KINDS[kind].items: shown}
    if len(shown) < len(page.entries) and "cacheScope" in result:
        result["cacheScope"] = "private"
    return Answer(result)


def _is_at(page: Page, cursor: object) -> bool:
    return page.cursor is None if cursor is None else page.cursor == cursor


def _shown(shelf: Shelf, entry: Entry) -> JsonObject:
    """The approved text under its public name."""
    kind: Any = entry.target.kind
    shown = {**entry.descriptor, KINDS[kind].member: entry.public_name}
    return Publisher(shelf, entry.target.server).with_page(shown) if kind == "tool" else shown


def _bad_cursor() -> Answer:
    return Answer(error=RpcError(INVALID_PARAMS, "Invalid cursor"))
