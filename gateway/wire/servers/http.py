"""`ports.ToolServer` over Streamable HTTP: finds the server's era, remembers it, and speaks it.

It knows which exception is which `Outcome`. How bytes travel stands in http_connection and http_pool,
what each era says in http_stateless and http_sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final

from gateway.config.credential_settings import templates
from gateway.core.model import Era, JsonObject, Outcome, RpcError
from gateway.core.record import Permit
from gateway.credential_ports import OwnCredential
from gateway.errors import Misconfigured
from gateway.nobody import NOBODY
from gateway.ports import Channel, Outbound, ServerUnavailable
from gateway.reasons import Reason
from gateway.sdk import SERVER_INFO_META_KEY
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.methods import SUBSCRIBE
from gateway.wire.servers import envelope
from gateway.wire.servers.able import LISTS, able
from gateway.wire.servers.each_watches import EachWatches
from gateway.wire.servers.http_broken import Broken, Full, NotSent, TurnedAway
from gateway.wire.servers.http_changes import RESTARTED, Changes
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_pool import Pool, address
from gateway.wire.servers.http_probe import probe
from gateway.wire.servers.http_request import Requests, fixed_headers
from gateway.wire.servers.http_sessions import ITSELF, LISTER, OWN, Sessions
from gateway.wire.servers.http_stateless import Stateless
from gateway.wire.servers.http_watch import listened
from gateway.wire.servers.listens import Listens
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.subscribes import Subscribes
from gateway.wire.servers.watches import EitherEra, Watches
from gateway.wire.servers.watching import MEMBERS
from gateway.wire.shape import STATELESS

MOST: Final = 10_000
"""Principals that are remembered for having no session. Past it all are forgotten, and it is tried again."""
HEARS: Final = 2.0
"""Seconds a subscription waits for the stream its news would come on."""


class HttpServer:
    """One tool server at one URL."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        own: OwnCredential | None = None,
    ) -> None:
        """Connects nothing yet. `own`: the gateway's own credential there. Raises `Misconfigured`."""
        try:
            where = address(settings.url or "")
        except ValueError as error:
            raise Misconfigured(f"servers.{name}.url: {error}", settings.where) from None
        limits = settings.limits
        requests = Requests(where, fixed_headers(name, settings.headers, settings.where))
        for offer in settings.credentials:
            fixed_headers(name, templates(offer, "headers"), settings.where)
        self._link = Link(name, limits, requests, Pool(where, limits.connect), envelope.ids(), own)
        self._forced = None if settings.era == "auto" else Era(settings.era)
        self.era: Era | None = None
        """What it speaks; None while that is not known. With one that speaks both eras, the stateless one."""
        self._no_sessions: set[str] = set()
        """Principals that a stateless server opened none for, since it was last probed: another's words or credential
        may please it."""
        self._probing: asyncio.Task[None] | None = None
        self._changes = Changes(self._listen, self._noticed)
        self._stateless = Stateless(self._link, self._changes.note, self._moved)
        self._listens = Listens(partial(listened, self._link), self._told)
        self._subscribes = Subscribes(self._ask_own, lambda: self._changes.open(HEARS), self._told)
        self._shared = Watches(EitherEra(self._spoken, self._listens, self._subscribes))
        self.watches = EachWatches(self._shared, of_one=True)
        self._sessions = Sessions(self._link, self._changes, self.watches)
        listed_to = settings.listed_to
        self._lister = Outbound("", {}, able(listed_to), LISTER) if listed_to else ITSELF
        self._most = limits.concurrency
        self._under_way = 0
        self._last_error = ""

    @property
    def name(self) -> str:
        return self._link.name

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        """Forward at most once; see `ports.ToolServer.call`. A subscription is the gateway's own, and the agent's."""
        if message.method == SUBSCRIBE:
            outcome = await self.watches.subscribe(message, channel)
            await self._sessions.attend(message, channel)
            return outcome
        if self._under_way >= self._most:
            why = f"{self._most} calls are under way, limits.concurrency"
            return envelope.not_forwarded(self.name, Reason.OVERLOADED, why)
        self._under_way += 1
        try:
            outcome = await self._send(message, channel, self._link.patience())
        except NotSent as error:
            outcome = envelope.not_forwarded(self.name, Reason.SERVER_UNAVAILABLE, str(error))
            outcome = replace(outcome, turned_away=isinstance(error, TurnedAway))
        except Broken as error:
            outcome = envelope.in_doubt(self.name, str(error))
        finally:
            self._under_way -= 1
        self._last_error = outcome.detail
        return outcome

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """A catalogue read by the gateway itself; see `ports.ToolServer.fetch`."""
        reader = self._lister if method in LISTS else ITSELF
        try:
            outcome = await self._read(replace(reader, method=method, params=params))
        except (NotSent, Broken) as error:
            self._last_error = str(error)
            raise ServerUnavailable(f"tool server {self.name}: {error}") from None
        if outcome.result is None:
            why = outcome.error.message if outcome.error and not outcome.detail else outcome.detail
            self._last_error = why
            theirs = None if outcome.detail else outcome.error
            raise ServerUnavailable(f"tool server {self.name}: {method}: {why}", theirs)
        self._last_error = ""
        if method == "tools/list":
            self._stateless.remember(params, outcome.result)
        return outcome.result

    def changes(self) -> AsyncIterator[str]:
        """List changes as the server tells them; see `ports.ToolServer.changes`."""
        return self._changes.subscribe()

    async def fence(self) -> bool:
        """See `ports.ToolServer`. Streams that were cut are closed already; the server is not ours to stop."""
        return False

    async def aclose(self) -> None:
        """End the standing stream, the sessions and every connection."""
        if self._probing is not None:
            self._probing.cancel()
        self._listens.close()
        self._subscribes.close()
        await self._changes.aclose()
        await self._sessions.aclose()
        await self._link.pool.aclose()

    def describe(self) -> dict[str, Any]:
        """What is known of the server, for operators."""
        about = self._about()
        version, info = about.get("protocolVersion"), about.get("serverInfo")
        if self.era is STATELESS:
            meta = about.get("_meta")
            version = envelope.STATELESS_VERSION
            info = meta.get(SERVER_INFO_META_KEY) if isinstance(meta, dict) else None
        return {
            "transport": "http",
            "era": str(self.era) if self.era else None,
            "protocol_version": version,
            "server_info": info,
            "capabilities": about.get("capabilities", {}),
            "instructions": about.get("instructions"),
            "state": "connected"
            if self.era
            else ("unavailable" if self._last_error else "unknown"),
            "last_error": self._last_error or None,
        }

    def _about(self) -> JsonObject:
        return self._stateless.about if self.era is STATELESS else self._sessions.about

    def _send(
        self, message: Outbound, channel: Channel, patience: Patience
    ) -> Coroutine[Any, Any, Outcome]:
        """Raises `NotSent`, `Broken`."""
        if self.era is STATELESS:
            client = message.client
            if (
                client.capabilities
                and envelope.asks_in_sessions(client)
                and self._forced is None
                and message.principal not in self._no_sessions
            ):
                return self._send_as_asked(message, channel, patience)
            return self._stateless.send(message, channel, patience)
        return self._send_in(message, channel, patience)

    async def _send_as_asked(
        self, message: Outbound, channel: Channel, patience: Patience
    ) -> Outcome:
        """In a session if it opens one: a server of both eras may ask in the middle of a call only there. Raises
        `NotSent`, `Broken`."""
        try:
            return await self._sessions.send(message, channel, patience)
        except NotSent as no:
            if not isinstance(no, Full):
                if len(self._no_sessions) >= MOST:
                    self._no_sessions.clear()
                self._no_sessions.add(message.principal)
        return await self._stateless.send(message, channel, patience)

    async def _send_in(self, message: Outbound, channel: Channel, patience: Patience) -> Outcome:
        """In the era that is found."""
        talk = await self._talk(patience)
        try:
            if talk is self._stateless:
                return await self._send(message, channel, patience)
            return await talk.send(message, channel, patience)
        except NotSent:
            self._moved()
            raise

    def _moved(self) -> None:
        """It may come back as another version of itself, or has."""
        self.era = None

    async def _read(self, message: Outbound) -> Outcome:
        if message.method == "server/discover":
            return await self._discover()
        try:
            return await self._send(message, NOBODY, self._link.patience())
        except Broken as error:
            if not error.stale:
                raise
        # A kept connection that had ended. This is a read of our own, so it may be asked again.
        return await self._send(message, NOBODY, self._link.patience())

    async def _discover(self) -> Outcome:
        """Greet it anew: with the probe, or by `initialize` where it is of the session era."""
        patience = self._link.patience()
        self._moved()
        talk = await self._talk(patience)
        if isinstance(talk, Sessions):
            await talk.session(ITSELF, patience)
        return Outcome("ok", result=self.describe())

    async def _talk(self, patience: Patience) -> Stateless | Sessions:
        """The era's way of speaking, probed when it is not known. Raises `NotSent`.

        All who ask meanwhile share one probe and its failure: a server that hangs costs each of them the
        time of one probe.
        """
        while self.era is None:
            if self._probing is None:
                self._probing = asyncio.ensure_future(self._probe(patience))
                self._probing.add_done_callback(_seen)
            await asyncio.shield(self._probing)
        return self._stateless if self.era is STATELESS else self._sessions

    async def _probe(self, patience: Patience) -> None:
        try:
            self.era, about = await probe(self._link, self._forced, patience)
            self._no_sessions.clear()
            if about is not None:
                self._stateless.about = about
        finally:
            self._probing = None

    async def _spoken(self) -> Era:
        """The server's era. Raises `ServerUnavailable`."""
        try:
            talk = await self._talk(self._link.patience())
        except NotSent as error:
            raise ServerUnavailable(f"tool server {self.name}: {error}") from None
        return STATELESS if isinstance(talk, Stateless) else Era.SESSIONS

    async def _ask_own(self, method: str, uri: str, channel: Channel) -> RpcError | None:
        """Ask in the gateway's own session. Raises `ServerUnavailable`."""
        message = Outbound(method, {"uri": uri}, envelope.GATEWAY, OWN)
        try:
            return (await self._send(message, channel, self._link.patience())).error
        except (NotSent, Broken) as error:
            raise ServerUnavailable(f"tool server {self.name}: {error}") from None

    def _noticed(self, method: str, params: JsonObject) -> None:
        if method == RESTARTED:
            self._subscribes.renewed()
        elif method in MEMBERS:
            self._shared.updated(method, params)

    def _told(self, method: str, params: JsonObject) -> None:
        self._shared.updated(method, params)

    async def _listen(self, hear: Callable[[JsonObject], None], opened: Callable[[], None]) -> bool:
        talk = await self._talk(self._link.patience())
        try:
            return await talk.listen(hear, opened)
        except NotSent:
            self._moved()
            raise


def _seen(task: asyncio.Task[Any]) -> None:
    """Whoever waited has the error; with nobody waiting any more it is nobody's."""
    if not task.cancelled():
        task.exception()
