"""Where one session with an HTTP server lives, from when it is opened to when nobody is in it any more.

It knows one session and not whose it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.wire.servers.http_exchange import Session
from gateway.wire.servers.http_heard import HeardHere
from gateway.wire.servers.http_standing import Standing


@dataclass(slots=True)
class Place:
    """Where the session of one key lives. All who need it while it is opened share the opening, or its failure."""

    opening: asyncio.Task[Session]
    session: Session | None = None
    """From when it is open."""
    standing: Standing | None = None
    heard: HeardHere | None = None
    forgets: list[Callable[[], None]] = field(default_factory=list)
    """Its agent's session may outlive it."""

    def close(self) -> None:
        """Nobody is in it any more."""
        for forget in self.forgets:
            forget()
        if self.standing is not None:
            self.standing.close()
        if self.heard is not None:
            self.heard.subscribes.close()
