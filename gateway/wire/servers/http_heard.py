"""What one agent's session at an HTTP server is subscribed to there, besides the gateway's own.

Some servers tell an update only in the session whose call made it. It knows one session's watches, and not how it is
asked or heard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.model import JsonObject
from gateway.wire.methods import UPDATED
from gateway.wire.servers.subscribes import Ask, Subscribes
from gateway.wire.servers.watches import Watches


class HeardHere:
    """What one session is subscribed to: in it, and not only in the gateway's own."""

    def __init__(self, ask: Ask, hears: Callable[[], Awaitable[bool]]) -> None:
        """See `Subscribes`."""
        self.subscribes = Subscribes(ask, hears, lambda method, params: tell(method, params))
        self.watches = Watches(self.subscribes)
        tell = self.watches.updated

    def updated(self, method: str, params: JsonObject) -> None:
        """An update is told."""
        if method == UPDATED and self.watches.are_any:
            self.watches.updated(UPDATED, params)
