"""Wires step 12: providers of the settings, the leases in the journal, and the tool servers around which they stand.

Where no server has credentials there is nothing of it. No rule lives here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.app.clock import microseconds, new_call_id, seconds
from gateway.config.credential_settings import Offer, templates
from gateway.core.credential import Credential, CredentialLease
from gateway.core.model import Evidence, Outcome, Tier, WorkloadIdentity
from gateway.credential_ports import CredentialProvider, NoCredential, OwnCredential
from gateway.credentials.tokens import Tokens
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.ports import WatchedServer
from gateway.settings import Settings
from gateway.wire.servers import LateAnswer, open_server

if TYPE_CHECKING:  # loaded where a server has credentials, or had some
    from gateway.credentials.ending import Ending
    from gateway.credentials.lender import Lender, Offered

log = logging.getLogger("bulkhead.credentials")

CLOSE_SECONDS: Final = 10.0

NotedCaller = Callable[[Evidence, WorkloadIdentity], None]


class Lending:
    """The credentials of one process: what is configured at once, the rest when there is a journal."""

    def __init__(self, settings: Settings) -> None:
        """Raises `Misconfigured` for a provider that is not installed."""
        self._settings = settings
        self._offers = {
            (name, Tier(tier)): offered
            for name, server in settings.servers.items()
            for offer in server.credentials
            for offered in [_offered(settings, name, offer)]
            for tier in offer.tiers
        }
        self._lender: Lender | None = None
        self._ending: Ending | None = None
        self._watching: asyncio.Task[None] | None = None
        self._dead: Callable[[CredentialLease], str] = lambda lease: ""
        self._close: Callable[[], None] = lambda: None
        self.tokens = Tokens(seconds)

    @property
    def names(self) -> frozenset[str]:
        """The servers that have credentials."""
        return frozenset(name for name, _ in self._offers)

    def warn(self) -> None:
        """Of secrets that nothing ends (OWASP NHI7), and of calls that may outlast what they go with."""
        for name, server in self._settings.servers.items():
            for tiers in (each.tiers for each in server.credentials if each.provider == "static"):
                log.warning(
                    "servers.%s.credentials: a long-lived secret, the same for every agent, for tier %s",
                    name,
                    ", ".join(tiers),
                )
        for (name, tier), offered in self._offers.items():
            if offered.held > offered.seconds / 2:
                log.warning(
                    "servers.%s.credentials: one for tier %s ends after %d s at most, and a call may take %d s: one"
                    " that takes more than %d s can be cut off. Raise `seconds`, or lower `limits.total`",
                    name,
                    tier,
                    offered.seconds,
                    offered.held,
                    offered.seconds // 2,
                )

    @property
    def noted(self) -> NotedCaller | None:
        """Who is told of every caller who is identified; nobody, unless tokens are exchanged."""
        wanted = any(offered.per_token for offered in self._offers.values())
        return self.tokens.note if wanted else None

    def own(self, name: str) -> OwnCredential | None:
        """The gateway's own credential at a server; None where it needs none."""
        if name not in self.names:
            return None

        async def lent() -> Credential:
            if self._lender is None:
                raise NoCredential("the gateway is not up yet")
            return await self._lender.own(name)

        return lent

    def late(self, name: str, told: LateAnswer) -> LateAnswer:
        """Late answers of a server, without its credentials in them."""
        if name not in self.names:
            return told

        def discreet(call_id: str, outcome: Outcome) -> None:
            assert self._lender is not None
            told(call_id, self._lender.hidden(name).outcome(outcome))

        return discreet

    async def begin(
        self,
        servers: Mapping[str, WatchedServer],
        journal: SqliteJournal,
        protector: Protector,
    ) -> dict[str, WatchedServer]:
        """Lend from now on, and end what earlier processes left: the servers, those with credentials as `Lent`.

        Raises `JournalError`."""
        ledger = journal.credentials()
        self._close = ledger.close
        if not self._offers and not ledger.all(live=True):
            return dict(servers)
        from gateway.credentials.book import Book
        from gateway.credentials.ending import Ending
        from gateway.credentials.lender import Lender

        book = Book(ledger, journal, protector, microseconds, new_call_id)
        self._ending = Ending(book, self._provider_of, lambda lease: self._dead(lease))
        lender = Lender(self._offers, book, self._ending, self.tokens.find, self._settings.tenant)
        self._lender = lender
        self._watching = asyncio.create_task(self._ending.watch())
        return {name: self.around(name, server) for name, server in servers.items()}

    def around(self, name: str, server: WatchedServer) -> WatchedServer:
        """A server as it is to be asked: with a credential, and without one in what comes back."""
        if self._lender is None or name not in self.names:
            return server
        from gateway.credentials.lent import Lent

        return Lent(name, server, self._lender)

    def ends_by(self, dead: Callable[[CredentialLease], str]) -> None:
        """`dead`: why what a lease is for is over; empty while it is not."""
        self._dead = dead

    def changed(self) -> None:
        """Something was fenced, or a grant ended."""
        if self._ending is not None:
            self._ending.changed()

    async def aclose(self) -> None:
        """End every lease of this process, as far as that is done quickly. After its servers are closed."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._lender is not None and self._ending is not None:
            await self._lender.aclose()
            await self._ending.aclose()
        self._close()
        for one in {id(each.provider): each.provider for each in self._offers.values()}.values():
            await one.aclose()

    def _provider_of(self, lease: CredentialLease) -> CredentialProvider | None:
        found = self._offers.get((lease.server, Tier(lease.tier)))
        return found.provider if found and found.name == lease.provider else None


def _offered(settings: Settings, name: str, offer: Offer) -> Offered:
    from gateway.credentials.lender import Offered
    from gateway.credentials.providers import provider

    server = settings.servers[name]
    over_http = server.command is None
    return Offered(
        name=offer.provider,
        provider=provider(name, offer, Path(settings.home), server.where),
        seconds=offer.seconds,
        headers=templates(offer, "headers") if over_http else {},
        environment={} if over_http else templates(offer, "environment"),
        per_token=offer.provider == "token_exchange",
        # A process has it as long as a call is in it, from before it has started.
        held=0 if over_http else server.limits.connect + server.limits.total,
    )


@asynccontextmanager
async def opened_beside(settings: Settings, name: str) -> AsyncIterator[WatchedServer]:
    """A tool server for a command that asks it by itself, beside gateways that serve.

    Raises `Misconfigured`, `JournalError`."""
    async with _lent_beside(settings) as lending:
        server = open_server(name, settings.servers[name], own=lending.own(name))
        try:
            yield lending.around(name, server)
        finally:
            async with asyncio.timeout(CLOSE_SECONDS):
                await server.aclose()


@asynccontextmanager
async def _lent_beside(settings: Settings) -> AsyncIterator[Lending]:
    lending = Lending(settings)
    if not lending.names:
        yield lending
        return
    async with (
        aclosing(await SqliteJournal.open(settings.journal_file)) as journal,
        aclosing(lending),
    ):
        await lending.begin({}, journal, Protector.open(settings.state_dir))
        yield lending
