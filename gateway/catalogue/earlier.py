"""What each tool server listed the last time, on disk: a gateway that starts can show it before it has looked again.

Nothing here is believed: every descriptor is compared with the pins like one that was just read, and a call
waits until its server has been looked at. A file that cannot be read is none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from gateway.catalogue.fetch import Fetched, FetchedPage, Lists
from gateway.catalogue.items import Item, examine
from gateway.catalogue.pins import Pin
from gateway.core.model import JsonObject, RpcError, Target
from gateway.core.resolve import KINDS, ListKind
from gateway.files import whole
from gateway.files.private import make_private

log = logging.getLogger("bulkhead.catalogue")

VERSION: Final = 1


class EarlierLists:
    """One file for each server in a directory of the gateway's own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, server: str) -> Lists | None:
        """The lists as they were; None when there are none, or none that can be read."""
        path = self._path(server)
        if not path.exists():
            return None
        try:
            return _lists(json.loads(path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s is passed over: %s", path, type(error).__name__)
            return None

    def save(self, server: str, lists: Lists) -> None:
        """Keep them. What cannot be written is read from the server the next time."""
        try:
            make_private(self._directory)
            whole.replace(self._path(server), json.dumps(_document(lists)).encode())
        except (OSError, ValueError, TypeError, RecursionError) as error:
            log.warning("the lists of %s are not kept: %s", server, error)

    def _path(self, server: str) -> Path:
        return self._directory / f"{server}.json"


def has_all(lists: Lists, approved: Mapping[Target, Pin]) -> bool:
    """Whether everything approved was listed, as it was approved. If not, it may have come since."""
    listed = {
        (kind, item.name, item.digest)
        for kind, fetched in lists.kinds.items()
        for page in fetched.pages
        for item in page.items
    }
    return all(
        (target.kind, target.name, pin.digest) in listed
        for target, pin in approved.items()
        if target.kind in lists.kinds
    )


def listing(approved: Mapping[Target, Pin]) -> Lists:
    """What a server lists that offers all that was approved of it, as it was approved."""
    items: dict[ListKind, list[Item]] = {}
    for target, pin in approved.items():
        if target.kind in KINDS:
            kind = cast(ListKind, target.kind)
            items.setdefault(kind, []).append(examine(kind, pin.descriptor))
    return Lists({kind: Fetched((FetchedPage(None, {}, tuple(of)),)) for kind, of in items.items()})


def _document(lists: Lists) -> JsonObject:
    kinds = {kind: _kind_document(fetched) for kind, fetched in lists.kinds.items()}
    return {"v": VERSION, "said": lists.said, "kinds": kinds}


def _kind_document(fetched: Fetched) -> JsonObject:
    absent = fetched.absent
    pages = [
        {"cursor": page.cursor, "raw": page.raw, "items": [item.raw for item in page.items]}
        for page in fetched.pages
    ]
    return {"pages": pages, "absent": None if absent is None else absent.as_json()}


def _lists(document: Mapping[str, Any]) -> Lists:
    if document["v"] != VERSION:
        raise ValueError("another version")
    kept = document["kinds"]
    kinds = {kind: _fetched(kind, kept[kind]) for kind in KINDS if kind in kept}
    return Lists(kinds, {}, document["said"])


def _fetched(kind: ListKind, kept: Mapping[str, Any]) -> Fetched:
    pages = (
        FetchedPage(page["cursor"], page["raw"], tuple(examine(kind, raw) for raw in page["items"]))
        for page in kept["pages"]
    )
    error = kept["absent"]
    absent = None if error is None else RpcError(error["code"], error["message"])
    return Fetched(tuple(pages), absent)
