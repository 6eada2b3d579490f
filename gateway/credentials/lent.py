"""A tool server that is called with credentials: one put in before each call, and none that comes back out.

It is around those servers only that have any; others know nothing of this. It knows no provider.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from gateway.core.credential import account
from gateway.core.model import Answer, Effect, JsonObject, Outcome, RpcError
from gateway.core.over import Ear, always
from gateway.core.record import Permit
from gateway.core.settle import not_forwarded
from gateway.credential_ports import NoCredential
from gateway.credentials.hidden import Hidden
from gateway.credentials.lender import Lender
from gateway.ports import (
    Channel,
    Outbound,
    ServerUnavailable,
    Updated,
    Watch,
    Watched,
    WatchedServer,
)
from gateway.reasons import Reason
from gateway.values import replace


class Lent:
    """`ports.WatchedServer` around another."""

    def __init__(self, name: str, server: WatchedServer, lender: Lender) -> None:
        self._name = name
        self._server = server
        self._lender = lender
        self._hidden = lender.hidden(name)

    @property
    def watches(self) -> Watched:
        """See `ports.WatchedServer`."""
        return Quiet(self._server.watches, self._hidden)

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        """See `ports.ToolServer`. Steps 12 and 13. Without a credential nothing is forwarded."""
        behalf = message.behalf
        if behalf is None:
            who = self._lender.own_account(self._name, least=permit.effect is Effect.READ)
        else:
            who = account(behalf)
        credential = self._lender.find(self._name, who)
        if credential is None:
            try:
                credential = await self._lender.lend(self._name, who)
            except NoCredential as no:
                return not_forwarded(self._name, Reason.CREDENTIAL_UNAVAILABLE, str(no))
        message = replace(
            message,
            # What the server keeps by whom it talks to, it keeps apart for each account.
            principal=f"{message.principal} {'/'.join(who.key)}",
            credential=credential,
            ear=message.ear and self._discreet(message.ear),
            outlet=None,  # only a whole result can be searched
        )
        outcome = await self._server.call(permit, message, Discreet(channel, self._hidden))
        if behalf is None and permit.effect is Effect.READ and self._hidden.is_in(outcome.result):
            # Nothing may be undone by what has a hole in it.
            why = f"tool server {self._name}: its result holds a credential"
            return Outcome("in_doubt", detail=why, credential=credential.lease)
        return replace(self._hidden.outcome(outcome), credential=credential.lease)

    def _discreet(self, ear: Ear) -> Ear:
        """The same, to which no credential goes."""

        def tell(method: str, params: JsonObject, still: Callable[[], bool] = always) -> None:
            ear.tell(method, self._hidden.value(params), still)

        return Ear(ear.over, tell)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """See `ports.ToolServer`."""
        try:
            return self._hidden.value(await self._server.fetch(method, params))
        except ServerUnavailable as error:
            raise ServerUnavailable(
                self._hidden.text(str(error)), error.error and self._hidden.error(error.error)
            ) from None

    def changes(self) -> AsyncIterator[str]:
        """See `ports.ToolServer`."""
        return self._server.changes()

    def describe(self) -> JsonObject:
        """See `ports.ToolServer`."""
        return self._hidden.value(self._server.describe())

    async def fence(self) -> bool:
        """See `ports.ToolServer`."""
        return await self._server.fence()

    async def aclose(self) -> None:
        """See `ports.ToolServer`."""
        await self._server.aclose()


class Discreet:
    """The way back to an agent, on which no credential goes."""

    def __init__(self, channel: Channel, hidden: Hidden) -> None:
        self._channel = channel
        self._hidden = hidden
        self.pause: Callable[[], None] | None = getattr(channel, "pause", None)

    async def notify(self, method: str, params: JsonObject) -> None:
        """See `ports.Channel`."""
        await self._channel.notify(method, self._hidden.value(params))

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """See `ports.Channel`."""
        return await self._channel.ask(method, self._hidden.value(params))


class Quiet:
    """`ports.Watched` around another: what a server tells of what is watched there, without its credentials."""

    def __init__(self, watches: Watched, hidden: Hidden) -> None:
        self._watches = watches
        self._hidden = hidden

    async def acquire(self, watch: Watch) -> RpcError | None:
        """See `ports.Watched`."""
        error = await self._watches.acquire(watch)
        return error and self._hidden.error(error)

    def release(self, watch: Watch, session: str = "") -> None:
        """See `ports.Watched`."""
        self._watches.release(watch, session)

    def tells(self, watch: Watch, session: str) -> bool:
        """See `ports.Watched`."""
        return self._watches.tells(watch, session)

    def on_update(self, told: Updated) -> None:
        """See `ports.Watched`."""

        def hidden(method: str, said: JsonObject, session: str = "") -> None:
            told(method, self._hidden.value(said), session)

        self._watches.on_update(hidden)
