"""A tool server of HTTP+SSE (2024-11-05): sessions over the network that are supervised as processes are.

Each session of an agent has one of its own; the gateway's own, which the catalogue and the watches use, is no agent's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final

from gateway.config.credential_settings import templates
from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.core.record import Permit
from gateway.credential_ports import OwnCredential
from gateway.errors import Misconfigured
from gateway.ports import Channel, Outbound, Watched
from gateway.settings import ServerSettings
from gateway.wire.asking import NEEDED
from gateway.wire.servers import LateAnswer
from gateway.wire.servers.back_off import BackOff
from gateway.wire.servers.http_pool import Pool, address
from gateway.wire.servers.http_request import fixed_headers
from gateway.wire.servers.sse_session import Way
from gateway.wire.servers.stdio import StdioServer
from gateway.wire.servers.stdio_each import Each

MOST: Final = 128
MOST_EACH: Final = 32
"""Sessions at one server besides the gateway's own, and of one principal."""
BACK_OFF: Final = BackOff(most=5.0)
"""It costs less to look for than a process to start."""
OF_PROCESSES: Final = frozenset({"pid", "process"})

Given = Callable[[Credential | None], OwnCredential | None]


class SseServer:
    """`ports.WatchedServer`."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        late: LateAnswer | None,
        own: OwnCredential | None,
        given: Given,
    ) -> None:
        """Connects nothing yet. Raises `Misconfigured`."""
        way = _way(name, settings)
        self._pool = way.pool
        settings = settings.model_copy(update={"era": "sessions"})
        open_one = partial(
            StdioServer, name, settings, late=late, start=way.session, back_off=BACK_OFF
        )
        shared = open_one(own=own)

        def make(client: ClientFacts | None, credential: Credential | None) -> StdioServer:
            return open_one(client=client, own=given(credential), changed=shared.changed)

        asks = frozenset(NEEDED.values())
        self._each = Each(
            name,
            shared,
            make,
            asks,
            listed_to=frozenset(settings.listed_to),
            everyone=True,
            most=MOST,
            each=MOST_EACH,
        )

    @property
    def era(self) -> Era | None:
        """None while it is not up."""
        return self._each.era

    @property
    def watches(self) -> Watched:
        """See `ports.WatchedServer`."""
        return self._each.watches

    def call(
        self, permit: Permit, message: Outbound, channel: Channel
    ) -> Coroutine[Any, Any, Outcome]:
        """See `ports.ToolServer`."""
        return self._each.call(permit, message, channel)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """See `ports.ToolServer`."""
        return await self._each.fetch(method, params)

    def changes(self) -> AsyncIterator[str]:
        """See `ports.ToolServer`."""
        return self._each.changes()

    def describe(self) -> JsonObject:
        """See `ports.ToolServer`."""
        known = self._each.describe().items()
        return {name: value for name, value in known if name not in OF_PROCESSES} | {
            "transport": "sse"
        }

    async def fence(self) -> bool:
        """See `ports.ToolServer`. Its streams are closed; the server is not ours to stop."""
        await self._each.fence()
        return False

    async def aclose(self) -> None:
        """See `ports.ToolServer`."""
        await self._each.aclose()
        await self._pool.aclose()


def _way(name: str, settings: ServerSettings) -> Way:
    url = settings.url or ""
    try:
        where = address(url)
    except ValueError as error:
        raise Misconfigured(f"servers.{name}.url: {error}", settings.where) from None
    fixed = fixed_headers(name, settings.headers, settings.where)
    for offer in settings.credentials:
        fixed_headers(name, templates(offer, "headers"), settings.where)
    limits = settings.limits
    return Way(url, where, fixed, Pool(where, limits.connect), limits)
