"""The catalogue as agents see it: `ports.Shelves` over the current table. Lists are made in lists.py.

It says only what is relayed: a capability the gateway cannot carry is not announced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from gateway import __version__
from gateway.catalogue import lists
from gateway.core import settle
from gateway.core.model import Answer, Endpoint, Entry, ItsSelf, JsonObject, Request
from gateway.errors import Refused
from gateway.ports import About, Catalogue

SERVER_INFO: Final[JsonObject] = {"name": "bulkhead", "version": __version__}
OFFERED: Final = ("tools", "prompts", "resources", "completions")
UNRELAYED: Final = frozenset({"listChanged", "subscribe"})


class CatalogueShelves:
    """Reads the table once per request: an answer is of one version of the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def list(self, request: Request, visible: Callable[[Entry], bool]) -> Answer:
        """See `ports.Shelves`."""
        table = self._catalogue.current
        try:
            return lists.answer(table, request.endpoint, request.method, request.params, visible)
        except Refused as no:
            return settle.refused(request, no.reason, no.detail, "")

    def about(self, endpoint: Endpoint) -> About:
        """See `ports.Shelves`. Of a server that is down: what was approved of what it said last."""
        table = self._catalogue.current
        if endpoint.kind != "server":
            return About(SERVER_INFO, _merged(table.about.values()))
        one = table.about.get(endpoint.server or "")
        if one is None:
            return About(SERVER_INFO, {})
        return About(one.info or SERVER_INFO, _relayed(one.capabilities), one.instructions)


def _merged(servers: Iterable[ItsSelf]) -> JsonObject:
    offered: JsonObject = {"tools": {}}
    for server in servers:
        offered |= {name: {} for name in OFFERED if name in server.capabilities}
    return offered


def _relayed(capabilities: JsonObject) -> JsonObject:
    return {
        name: {k: v for k, v in value.items() if k not in UNRELAYED}
        if isinstance(value, dict) and name in OFFERED
        else value
        for name, value in capabilities.items()
    }
