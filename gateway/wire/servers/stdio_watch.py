"""How a stdio tool server of either era is asked to tell of what is watched.

A stateless one acknowledges a listen by its id, in a message that names no call: it is nobody's but the
listen's. Spec: 2026-07-28 patterns/subscriptions, 2025-11-25 server/resources.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.model import Era, JsonObject, RpcError
from gateway.ports import Channel, Outbound, ServerUnavailable
from gateway.wire.methods import ACKNOWLEDGED, LISTEN
from gateway.wire.servers import envelope
from gateway.wire.servers.listens import Listens, Lost
from gateway.wire.servers.stdio_conversation import Gone
from gateway.wire.servers.stdio_greeting import FOREVER
from gateway.wire.servers.stdio_up import Up, ask
from gateway.wire.servers.subscribes import Subscribes
from gateway.wire.servers.watches import EitherEra, Watches
from gateway.wire.servers.watching import listen_of

Hear = Callable[[JsonObject], None]


class StdioWatch:
    """The watches of one server."""

    def __init__(self, ready: Callable[[], Awaitable[Up]]) -> None:
        """`ready`: the process, once there is one. Raises `ServerUnavailable`."""
        self._ready = ready
        self._hearing: dict[int, Hear] = {}
        """By the id of a listen."""
        self._subscribes = Subscribes(self._ask, self._tells, self.told)
        self._listens = Listens(self._listened, self.told)
        self.watches = Watches(EitherEra(self._era, self._listens, self._subscribes))

    def told(self, method: str, params: JsonObject) -> None:
        """What the server says of what is watched."""
        if method != ACKNOWLEDGED:
            self.watches.updated(method, params)
        elif hear := self._hearing.get(listen_of(params)):
            hear({"method": method, "params": params})

    def renewed(self) -> None:
        """The process is a new one. A listen has ended with the old one."""
        self._subscribes.renewed()

    def close(self) -> None:
        """Nothing is watched any more."""
        self._subscribes.close()
        self._listens.close()

    async def _era(self) -> Era:
        return (await self._ready()).greeting.era

    async def _tells(self) -> bool:
        """It says what it says in the same pipe."""
        return True

    async def _ask(self, method: str, uri: str, channel: Channel) -> RpcError | None:
        return await ask(await self._ready(), method, uri, channel)

    async def _listened(self, wanted: JsonObject, hear: Hear) -> RpcError | None:
        """See `listens.Carry`."""
        try:
            conversation = (await self._ready()).conversation
        except ServerUnavailable as error:
            raise Lost(str(error)) from None
        message, id = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, ""), 0

        def request(given: int) -> JsonObject:
            nonlocal id
            id, self._hearing[given] = given, hear
            return envelope.request(message, given, Era.STATELESS)

        answered = False
        try:
            outcome = await conversation.ask(request, FOREVER)
            answered = True
            return outcome.error
        except (Gone, TimeoutError) as error:
            raise Lost(str(error)) from None
        finally:
            self._hearing.pop(id, None)
            if not answered:
                conversation.say(envelope.cancelled(id, "nobody listens any more"))
