"""What a process without a catalogue knows of the tools it calls: each server is asked once what it lists.

A rollback starts tool servers of its own, perhaps others than those a person approved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from gateway.catalogue.fetch import fetch_lists
from gateway.catalogue.pins import Pins
from gateway.catalogue.review import review
from gateway.core.model import Target
from gateway.ports import ToolServer

SECONDS: Final = 30.0


class Offered:
    """The tools of servers that agents are offered, held against the approvals."""

    def __init__(self, servers: Mapping[str, ToolServer], approved: Pins) -> None:
        self._servers = servers
        self._approved = approved
        self._found: dict[str, dict[Target, str | None]] = {}
        self._asking = asyncio.Lock()

    async def why_withheld(self, target: Target) -> str | None:
        """Why nobody is to call it as it is now; None when it is as it was approved."""
        server = self._servers.get(target.server)
        if server is None:
            return None
        async with self._asking:  # of those that ask side by side one asks the server
            if target.server not in self._found:
                self._found[target.server] = await self._withheld(target.server, server)
        return self._found[target.server].get(target, "not approved")

    async def _withheld(self, name: str, server: ToolServer) -> dict[Target, str | None]:
        lists = await fetch_lists(name, server, SECONDS)
        reviews = review(name, lists, self._approved.of(name))
        return {
            each.target: f"{each.status}{each.note and f': {each.note}'}"
            if each.status != "approved"
            else None
            for each in reviews
        }
