"""The catalogue as agents see it: `ports.Shelves` over the current table. Lists are made in lists.py.

It says only what is relayed: a capability the gateway cannot carry is not announced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateway import __version__
from gateway.catalogue import lists
from gateway.core import settle
from gateway.core.model import Answer, Endpoint, Entry, JsonObject, Request
from gateway.errors import Refused
from gateway.ports import About, Catalogue, ToolServer

SERVER_INFO: Final[JsonObject] = {"name": "bulkhead", "version": __version__}
OFFERED: Final = ("tools", "prompts", "resources", "completions")
UNRELAYED: Final = frozenset({"listChanged", "subscribe"})


class CatalogueShelves:
    """Reads the table once per request: a list is of one version of the catalogue."""

    def __init__(self, catalogue: Catalogue, servers: Mapping[str, ToolServer]) -> None:
        self._catalogue = catalogue
        self._servers = servers

    def list(self, request: Request, visible: Callable[[Entry], bool]) -> Answer:
        """See `ports.Shelves`."""
        table = self._catalogue.current
        try:
            return lists.answer(table, request.endpoint, request.method, request.params, visible)
        except Refused as no:
            return settle.refused(request, no.reason, no.detail, "")

    def about(self, endpoint: Endpoint) -> About:
        """See `ports.Shelves`."""
        if endpoint.kind != "server":
            return About(SERVER_INFO, self._merged())
        server = self._servers.get(endpoint.server or "")
        if server is None:
            return About(SERVER_INFO, {})
        said = server.describe()
        info, instructions = said.get("server_info"), said.get("instructions")
        return About(
            info if isinstance(info, dict) else SERVER_INFO,
            _relayed(said.get("capabilities") or {}),
            instructions if isinstance(instructions, str) else None,
        )

    def _merged(self) -> JsonObject:
        offered: JsonObject = {"tools": {}}
        for server in self._servers.values():
            said = server.describe().get("capabilities") or {}
            offered |= {name: {} for name in OFFERED if name in said}
        return offered


def _relayed(capabilities: JsonObject) -> JsonObject:
    return {
        name: {k: v for k, v in value.items() if k not in UNRELAYED}
        if isinstance(value, dict) and name in OFFERED
        else value
        for name, value in capabilities.items()
    }
