"""Step 12: which credential goes with a call, taken from memory, or from its provider the first time.

One for each server and account (core/credential.py); all who need one while it is asked for share the
asking. Whoever has one in memory waits for nothing. It knows no transport; how leases end is ending.py's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from gateway.core.credential import (
    Account,
    Credential,
    CredentialLease,
    Key,
    LeaseState,
    our_own,
)
from gateway.core.model import Tier
from gateway.credential_ports import CredentialProvider, Minted, NoCredential, Wanted
from gateway.credentials import shape
from gateway.credentials.book import Book
from gateway.credentials.ending import Ending, Held
from gateway.credentials.hidden import Hidden
from gateway.errors import JournalError
from gateway.values import Value, replace

log = logging.getLogger("bulkhead.credentials")

ISSUE_SECONDS: Final = 15.0
AGAIN: Final = 1_000_000
"""Microseconds in which a provider that said no is not asked again for the same."""
MOST: Final = 2_000
"""Credentials of one process at once."""
EACH: Final = 1_500
"""The same, of one agent: whoever comes with ever new tokens shuts out itself."""
EARLY: Final = 60_000_000
"""A new one is got so long before the end of an old one, or a fifth of its time before: whichever is less.
Where calls lose it in the middle, as long before as a call may take, half of its time at most."""

Slot = tuple[str, Key, str]
"""Server, account, and the agent's token where one credential is for one token only."""


class Offered(Value):
    """What is configured for one tier of one server."""

    name: str
    provider: CredentialProvider
    seconds: int
    headers: Mapping[str, str]
    environment: Mapping[str, str]
    per_token: bool
    """What it gives is made of the agent's own token."""
    held: float = 0
    """Seconds a call may need it for from when it is lent; 0: it only has to be good when the call is sent."""


class Lender:
    """All credentials of one gateway process."""

    def __init__(
        self,
        offers: Mapping[tuple[str, Tier], Offered],
        book: Book,
        ending: Ending,
        token_of: Callable[[Account], str],
        tenant: str,
    ) -> None:
        """`token_of`: the agent's own token, for providers that need it; empty when not at hand."""
        self._offers = offers
        self._book = book
        self._ending = ending
        self._token_of = token_of
        self._tenant = tenant
        self._held: dict[Slot, Held] = {}
        self._asking: dict[Slot, asyncio.Task[Credential]] = {}
        self._refused: dict[Slot, tuple[int, NoCredential]] = {}

    def hidden(self, server: str) -> Hidden:
        """What must not come back from a server."""
        return self._ending.hidden[server]

    def find(self, server: str, account: Account) -> Credential | None:
        """The one in memory. Nothing waits here."""
        held = self._good(self._slot(server, account))
        if held is None or (
            held.renew_at <= self._book.clock() and _outlasts(account, held.lease.ends_at)
        ):
            return None
        return held.credential

    async def lend(self, server: str, account: Account) -> Credential:
        """The one in memory, or a new one. Raises `NoCredential`."""
        found = self.find(server, account)
        if found is not None:
            return found
        slot = self._slot(server, account)
        try:
            return await self._new(slot, account)
        except NoCredential:
            # Where no newer one is to be had, what is not over yet is good to its end.
            held = self._good(slot)
            if held is None:
                raise
            return held.credential

    def _good(self, slot: Slot) -> Held | None:
        """The one in memory that is not over."""
        held = self._held.get(slot)
        if held is None or held.credential.over.said or held.lease.ends_at <= self._book.clock():
            return None
        return held

    async def _new(self, slot: Slot, account: Account) -> Credential:
        asking = self._asking.get(slot)
        if asking is None:
            self._check(slot)
            asking = asyncio.create_task(self._issue(slot, account))
            self._asking[slot] = asking
            asking.add_done_callback(lambda task: self._asked(slot, task))
        return await asyncio.shield(asking)

    def own_account(self, server: str, *, least: bool) -> Account:
        """The gateway's own at a server: it reads with the least of what is configured, and undoes with the most."""
        tiers = sorted(
            (tier for name, tier in self._offers if name == server), key=lambda t: t.rank
        )
        return our_own(self._tenant, tiers[0] if least else tiers[-1])

    async def own(self, server: str) -> Credential:
        """The gateway's own, for catalogues and standing streams. Raises `NoCredential`."""
        return await self.lend(server, self.own_account(server, least=True))

    async def aclose(self) -> None:
        """Nobody is lent anything any more."""
        for asking in list(self._asking.values()):
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def _slot(self, server: str, account: Account) -> Slot:
        offered = self._offers.get((server, account.tier))
        per_token = offered is not None and offered.per_token
        return (server, account.key, f"{account.endpoint} {account.token}" if per_token else "")

    def _check(self, slot: Slot) -> None:
        refused = self._refused.get(slot)
        if refused is not None and refused[0] > self._book.clock():
            raise refused[1]
        live, who = self._ending.live, slot[1][1:3]
        if len(live) >= MOST:
            raise NoCredential(f"{MOST} credentials are in use")
        if len(live) >= EACH:
            own = sum((each.lease.tenant, each.lease.agent) == who for each in live.values())
            if own >= EACH:
                raise NoCredential(f"{EACH} credentials of one agent are in use")

    def _asked(self, slot: Slot, task: asyncio.Task[Credential]) -> None:
        self._asking.pop(slot, None)
        now = self._book.clock()
        self._refused = {key: no for key, no in self._refused.items() if no[0] > now}
        error = None if task.cancelled() else task.exception()
        if isinstance(error, NoCredential):
            self._refused[slot] = (now + AGAIN, error)

    async def _issue(self, slot: Slot, account: Account) -> Credential:
        server = slot[0]
        offered = self._offers.get((server, account.tier))
        if offered is None:
            raise NoCredential(f"no credential is configured for tier {account.tier}")
        lease = self._lease(server, offered, account)
        try:
            await self._book.ledger.keep(lease)
            return await self._get(slot, offered, account, lease)
        except JournalError as error:
            raise NoCredential(f"its lease cannot be written down: {error}") from None
        except NoCredential:
            raise
        except Exception as error:  # whatever a provider failed by, nothing was forwarded
            raise NoCredential(type(error).__name__) from error

    def _lease(self, server: str, offered: Offered, account: Account) -> CredentialLease:
        now = self._book.clock()
        ends_at = now + offered.seconds * 1_000_000
        if account.ends_at is not None:
            ends_at = min(ends_at, account.ends_at)
        if ends_at - now < 1_000_000:
            raise NoCredential("what it is for ends within a second")
        return CredentialLease(
            id=self._book.new_id(),
            server=server,
            provider=offered.name,
            tier=account.tier.value,
            tenant=account.tenant,
            agent=account.agent,
            task=account.task,
            grants=account.grants,
            run=self._book.ledger.run,
            state=LeaseState.PENDING,
            ref="",
            asked_at=now,
            ends_at=ends_at,
            expires_at=ends_at,
            changed_at=now,
        )

    async def _get(
        self, slot: Slot, offered: Offered, account: Account, lease: CredentialLease
    ) -> Credential:
        held = Held(lease, offered.provider, Credential(lease.id))
        self._ending.live[lease.id] = held
        seconds = max(1, (lease.ends_at - lease.asked_at) // 1_000_000)
        try:
            token = self._token_of(account) if offered.per_token else ""
            async with asyncio.timeout(ISSUE_SECONDS):
                minted = await offered.provider.issue(Wanted(lease.id, account, seconds, token))
            self._take(held, offered, minted)
            held.renew_at = _renew_at(held.lease, offered.held)
            await self._book.tell("issued", held.lease)
            why = self._ending.why_over(held.lease)
        except BaseException as error:
            await self._failed(held, error)
            raise
        if why:
            self._ending.begin(held, why)
            raise NoCredential(why)
        self._held[slot] = held
        self._ending.at_its_term(held)
        held.credential.over.then(lambda: self._drop(slot, held))
        held.credential.turned_away.then(lambda: self._turned_away(slot, held))
        return held.credential

    def _take(self, held: Held, offered: Offered, minted: Minted) -> None:
        """What was given, in the shape its server takes. Raises `NoCredential`."""
        held.minted = minted
        hidden = self._ending.hidden[held.lease.server]
        hidden.add(held.lease.id, [minted.values[name] for name in minted.secret])
        now = self._book.clock()
        expires_at = None if minted.seconds is None else now + minted.seconds * 1_000_000
        ends_at = min(held.lease.ends_at, expires_at or held.lease.ends_at)
        active = self._book.moved(held.lease, LeaseState.ACTIVE)
        held.lease = replace(active, ref=minted.ref, ends_at=ends_at, expires_at=expires_at)
        held.credential = replace(
            held.credential,
            headers=tuple(shape.headers(offered.headers, minted).items()),
            environment=shape.environment(offered.environment, minted),
            hide=hidden.text,
        )

    async def _failed(self, held: Held, error: BaseException) -> None:
        """Whatever there may be of it is ended; where there is nothing, that is written down."""
        why = str(error) if isinstance(error, NoCredential) else type(error).__name__
        log.warning("no credential for %s: %s", held.lease.server, why)
        if not (isinstance(error, NoCredential) and error.nothing):
            self._ending.begin(held, f"not issued: {why}")
            return
        del self._ending.live[held.lease.id]
        with suppress(JournalError):
            await self._book.ledger.keep(self._book.moved(held.lease, LeaseState.FAILED, why))

    def _turned_away(self, slot: Slot, held: Held) -> None:
        """The next call gets a new one; not at once where a new one was of no use either."""
        now = self._book.clock()
        if now - held.lease.asked_at < AGAIN:
            self._refused[slot] = (now + AGAIN, NoCredential("its server would not have a new one"))
        self._ending.begin(held, "its server would not have it")

    def _drop(self, slot: Slot, held: Held) -> None:
        if self._held.get(slot) is held:
            del self._held[slot]


def _renew_at(lease: CredentialLease, held: float) -> int:
    lasts = lease.ends_at - lease.asked_at
    return lease.ends_at - max(min(EARLY, lasts // 5), min(int(held * 1_000_000), lasts // 2))


def _outlasts(account: Account, ends_at: int) -> bool:
    """Could a new one be good for longer?"""
    return account.ends_at is None or account.ends_at > ends_at
