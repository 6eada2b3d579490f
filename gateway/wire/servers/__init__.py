"""Tool servers, over stdio, Streamable HTTP or HTTP+SSE, either protocol era: the adapters of `ports.ToolServer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Outcome
from gateway.credential_ports import NoCredential, OwnCredential
from gateway.ports import WatchedServer
from gateway.settings import ServerSettings
from gateway.wire.servers.bridge import Bridge
from gateway.wire.servers.parking import SECONDS, Parking
from gateway.wire.servers.seal import Seal

if TYPE_CHECKING:  # each transport is imported by who uses it
    from gateway.wire.servers.http import HttpServer
    from gateway.wire.servers.sse_server import SseServer
    from gateway.wire.servers.stdio import StdioServer
    from gateway.wire.servers.stdio_each import Each

LateAnswer = Callable[[str, Outcome], None]
"""Told (call id, outcome) when an answer comes after nobody waited for it any more."""

__all__ = ["open_server"]


def open_server(
    name: str,
    settings: ServerSettings,
    seal: Seal | None = None,
    late: LateAnswer | None = None,
    own: OwnCredential | None = None,
) -> WatchedServer:
    """The adapter for one configured server, bridged to agents of either era. Connects nothing yet.

    `seal` makes the states of parked calls; without one, no other gateway process can read them.

    `own` is the gateway's own credential there; None for a server that needs none.

    Raises `Misconfigured` when it cannot ever work, such as a command that is not installed.
    """
    wire: HttpServer | SseServer | StdioServer | Each
    if settings.transport == "sse":
        from gateway.wire.servers.sse_server import SseServer

        wire = SseServer(name, settings, late, own, _given)
    elif settings.command is None:
        from gateway.wire.servers.http import HttpServer

        wire = HttpServer(name, settings, own)
    else:
        wire = _over_stdio(name, settings, late, own)
    seconds = min(SECONDS, settings.limits.total)
    parking = Parking(wire, name, seal or Seal(), seconds=seconds)
    return Bridge(wire, parking, wire.watches)


def _over_stdio(
    name: str, settings: ServerSettings, late: LateAnswer | None, own: OwnCredential | None
) -> StdioServer | Each:
    """One process for all; one for each agent that can be asked, unless the server asks nothing; one for
    each credential; one for its lists, where its questions are named."""
    from gateway.wire.servers.stdio import StdioServer
    from gateway.wire.servers.stdio_each import MOST, MOST_PROVED, Each

    shared = StdioServer(name, settings, late=late, own=own)
    if not settings.asks and own is None:
        return shared
    greeted = settings.model_copy(update={"era": "sessions"})

    def make(client: ClientFacts | None, credential: Credential | None) -> StdioServer:
        told, lent = settings if client is None else greeted, _given(credential)
        # What one says of its lists may be true of all: those of the shared process are read again.
        changed = shared.changed
        return StdioServer(name, told, client=client, late=late, own=lent, changed=changed)

    listed_to = frozenset(settings.questions or ()) if own is None else frozenset[str]()
    most = MOST if own is None else MOST_PROVED
    both, asks = settings.era == "auto", settings.asks
    return Each(name, shared, make, asks, listed_to=listed_to, in_sessions=both, most=most)


def _given(credential: Credential | None) -> OwnCredential | None:
    if credential is None:
        return None
    known = credential

    async def given() -> Credential:
        if known.over.said:
            raise NoCredential("it is over")
        return known

    return given
