"""Where an agent and a tool server meet: those of one era directly, others by way of a bridge.

It knows which bridge there is for whom, and not how any of them carries a call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

from gateway.core.model import Era, JsonObject, Outcome
from gateway.core.record import Permit
from gateway.ports import Channel, Outbound, Watched
from gateway.wire.servers.envelope import STATELESS_VERSION
from gateway.wire.servers.parking import INTERACTIVE, Parking, Speaking
from gateway.wire.servers.rounds import Rounds
from gateway.wire.shape import STATELESS

LIKE: Final = (Era.SESSIONS, STATELESS)
"""The servers an agent meets directly, of the sessions era and of the stateless one."""


class Bridge:
    """A `ports.WatchedServer` around another: every call is whole when it returns, whatever the eras."""

    def __init__(self, server: Speaking, parking: Parking, watches: Watched) -> None:
        self._server = server
        self._parking = parking
        self._rounds = Rounds(server)
        self.watches = watches

    def call(
        self, permit: Permit, message: Outbound, channel: Channel
    ) -> Coroutine[Any, Any, Outcome]:
        """See `ports.ToolServer`. A server whose era is not known yet may turn out to be of the other one."""
        is_stateless = message.client.protocol_version >= STATELESS_VERSION
        if self._server.era is LIKE[is_stateless]:
            return self._server.call(permit, message, channel)
        if not is_stateless:
            return self._rounds.call(permit, message, channel)
        if message.method in INTERACTIVE:
            return self._parking.call(permit, message, channel)
        return self._server.call(permit, message, channel)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """See `ports.ToolServer`."""
        return await self._server.fetch(method, params)

    def changes(self) -> AsyncIterator[str]:
        """See `ports.ToolServer`."""
        return self._server.changes()

    def describe(self) -> JsonObject:
        """See `ports.ToolServer`."""
        return self._server.describe()

    async def fence(self) -> bool:
        """See `ports.ToolServer`. What waits is cancelled first."""
        self._parking.clear()
        return await self._server.fence()

    async def aclose(self) -> None:
        """See `ports.ToolServer`. What waits is cancelled first."""
        self._parking.clear()
        await self._server.aclose()
