"""What the gateway listens for on the stream of an agent's session: questions, and updates of what it subscribed to.

It knows how a session is heard and asked to tell, and not whose it is or when it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.core.model import RpcError
from gateway.nobody import NOBODY
from gateway.ports import Channel, Outbound, ServerUnavailable
from gateway.values import replace
from gateway.wire.servers.each_watches import EachWatches
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_exchange import Exchange, Session
from gateway.wire.servers.http_heard import HeardHere
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_place import Place
from gateway.wire.servers.http_standing import Standing
from gateway.wire.servers.watching import not_told


class Ears:
    """Those of one server."""

    def __init__(
        self,
        link: Link,
        watches: EachWatches,
        exchange: Callable[[Session, Channel], Exchange],
    ) -> None:
        self._link = link
        self._watches = watches
        self._exchange = exchange

    async def stream(
        self, place: Place, session: Session, seconds: float | None = None
    ) -> Standing | None:
        """The session's own stream, if it is open or can be opened in so many seconds."""
        if place.standing is None:
            nobody = self._exchange(session, NOBODY)
            place.standing = Standing(self._link, session, nobody)
        return place.standing if await place.standing.opened(seconds) else None

    async def updates(
        self, place: Place, session: Session, message: Outbound, channel: Channel
    ) -> None:
        """Have the server tell in this session what its agent subscribed to. One that will not tells it nothing."""
        standing = await self.stream(place, session)
        if standing is None:
            return
        if place.heard is None:
            place.heard = heard = HeardHere(partial(self._ask, session, message), standing.opened)
            standing.hear(heard)
            place.forgets.append(self._watches.begin(heard.watches, message.session))
        await self._watches.bring(place.heard.watches, message.session, channel)

    async def _ask(
        self, session: Session, by: Outbound, method: str, uri: str, channel: Channel
    ) -> RpcError | None:
        """See `subscribes.Ask`."""
        message = replace(by, method=method, params={"uri": uri}, ear=session.ear, outlet=None)
        try:
            outcome = await self._exchange(session, channel).send(message, self._link.patience())
        except (NotSent, Broken) as error:
            raise ServerUnavailable(str(error)) from None
        if outcome is None or outcome.kind != "ok":
            return (outcome and outcome.error) or not_told("its session did not agree")
        return None
