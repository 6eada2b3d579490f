"""The catalogue as agents see it: `ports.Shelves` over the current table. Lists are made in lists.py.

At a server's own endpoint its capabilities are the server's; the aggregates' are the gateway's: it tells
of changed lists by itself, and of updated resources where some server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gateway import __version__
from gateway.catalogue import lists
from gateway.catalogue.cursors import Cursors
from gateway.core import settle
from gateway.core.model import Answer, Endpoint, Entry, ItsSelf, JsonObject, Request
from gateway.errors import Refused
from gateway.ports import About, Catalogue

SERVER_INFO: Final[JsonObject] = {"name": "bulkhead", "version": __version__}
OFFERED: Final = ("tools", "prompts", "resources", "completions", "logging")
EXTENSIONS: Final = ("io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui")
"""Extensions that work on the aggregates too: the gateway knows which names of theirs are whose."""
LISTED: Final = frozenset({"tools", "prompts", "resources"})


class CatalogueShelves:
    """Reads the table once per request: an answer is of one version of the catalogue."""

    def __init__(self, catalogue: Catalogue, cursor_key: str) -> None:
        """`cursor_key`: secret, one for all gateways that serve this catalogue."""
        self._catalogue = catalogue
        self._cursors = Cursors(cursor_key)

    def list(self, request: Request, visible: Callable[[Entry], bool]) -> Answer:
        """See `ports.Shelves`."""
        table = self._catalogue.current
        try:
            return lists.answer(
                table,
                request.endpoint,
                request.method,
                request.params,
                visible,
                self._cursors,
                request.identity.owner,
            )
        except Refused as no:
            return settle.refused(request, no, "")

    def about(self, endpoint: Endpoint) -> About:
        """See `ports.Shelves`. Of a server that is down: what was approved of what it said last."""
        table = self._catalogue.current
        if endpoint.kind != "server":
            return About(SERVER_INFO, _merged(table.about.values()))
        one = table.about.get(endpoint.server or "")
        if one is None:
            return About(SERVER_INFO, {})
        return About(one.info or SERVER_INFO, one.capabilities, one.instructions)


def _merged(servers: Iterable[ItsSelf]) -> JsonObject:
    offered: JsonObject = {"tools": {"listChanged": True}}
    for server in servers:
        for name in OFFERED:
            if name in server.capabilities:
                offered.setdefault(name, {"listChanged": True} if name in LISTED else {})
        theirs = server.capabilities.get("resources")
        if isinstance(theirs, dict) and theirs.get("subscribe") is True:
            offered["resources"]["subscribe"] = True
        extensions = server.capabilities.get("extensions")
        for name in EXTENSIONS:
            if isinstance(extensions, dict) and isinstance(extensions.get(name), dict):
                offered.setdefault("extensions", {}).setdefault(name, extensions[name])
    return offered
