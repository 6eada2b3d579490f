"""Tool servers, over stdio or Streamable HTTP, either protocol era: the adapters of `ports.ToolServer`."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.model import ClientFacts, Outcome
from gateway.ports import WatchedServer
from gateway.settings import ServerSettings
from gateway.wire.servers.parking import SECONDS, Parking
from gateway.wire.servers.rounds import Rounds
from gateway.wire.servers.seal import Seal

LateAnswer = Callable[[str, Outcome], None]

__all__ = ["open_server"]


def open_server(
    name: str,
    settings: ServerSettings,
    seal: Seal | None = None,
    late: LateAnswer | None = None,
) -> WatchedServer:
    """The adapter for one configured server, bridged to agents of either era. Connects nothing yet.

    `seal` makes the states of parked calls; without one, no other gateway process can read them.

    `late` is told (call id, outcome) of answers that come after nobody waited for them any more.

    Raises `Misconfigured` when it cannot ever work, such as a command that is not installed.
    """
    if settings.command is None:
        from gateway.wire.servers.http import HttpServer

        wire: WatchedServer = HttpServer(name, settings)
    else:
        wire = _over_stdio(name, settings, late)
    seconds = min(SECONDS, settings.limits.total)
    return Rounds(Parking(wire, name, seal or Seal(), seconds=seconds), wire.watches)


def _over_stdio(name: str, settings: ServerSettings, late: LateAnswer | None) -> WatchedServer:
    """One process for all, and one for each agent that can be asked, unless the server asks nothing."""
    from gateway.wire.servers.stdio import StdioServer
    from gateway.wire.servers.stdio_each import Each

    shared = StdioServer(name, settings, late=late)
    if not settings.asks:
        return shared
    greeted = settings.model_copy(update={"era": "sessions"})

    def own(client: ClientFacts) -> WatchedServer:
        return StdioServer(name, greeted, client=client, late=late)

    return Each(name, shared, own, settings.asks)
