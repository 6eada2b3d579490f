"""The answer to a list request, for one caller: what `visible` says yes to, and nothing else.

The transparent endpoint gets the server's own pages, fields and cursors; the aggregates get one list in
one order, under public names. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gateway.core.model import Answer, Endpoint, Entry, JsonObject, RpcError
from gateway.core.resolve import KINDS, Listing, ListKind, Page, Table
from gateway.errors import Refused
from gateway.reasons import Reason

Visible = Callable[[Entry], bool]
INVALID_PARAMS: Final = -32602
LIST_METHODS: Final[dict[str, ListKind]] = {shape.method: kind for kind, shape in KINDS.items()}


def answer(
    table: Table, endpoint: Endpoint, method: str, params: JsonObject, visible: Visible
) -> Answer:
    """The list of `method` (one of `LIST_METHODS`) as this caller may see it.

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
    if cursor is not None:
        return _bad_cursor()
    entries: Iterable[Entry]
    match kind:
        case "tool":
            entries = shelf.tools.values()
        case "prompt":
            entries = shelf.prompts.values()
        case "resource":
            entries = shelf.resources.values()
        case "template":
            entries = (template.entry for template in shelf.templates.values())
    return Answer({KINDS[kind].items: [_shown(entry) for entry in entries if visible(entry)]})


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


def _shown(entry: Entry) -> JsonObject:
    """The approved text under its public name. URIs are opaque and stay what they are."""
    if entry.target.kind in ("tool", "prompt"):
        return {**entry.descriptor, "name": entry.public_name}
    return entry.descriptor


def _bad_cursor() -> Answer:
    return Answer(error=RpcError(INVALID_PARAMS, "Invalid cursor"))
