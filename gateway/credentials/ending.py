"""How leases of credentials end: when what they are for is over, at their term, with their gateway, or after it.

A lease is ended once and for all: whoever has its credential is told, its provider is asked until it says
that it is good for nothing, the journal says so. A provider that does not answer is asked again, more and
more rarely, until the credential's own term has passed. Then it is a person's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from gateway.core.credential import Credential, CredentialLease, LeaseState
from gateway.credential_ports import CredentialProvider, Minted, NoCredential
from gateway.credentials.book import Book
from gateway.credentials.hidden import Hidden
from gateway.errors import JournalError
from gateway.values import replace

log = logging.getLogger("bulkhead.credentials")

EVERY: Final = 0.25
"""Seconds between two looks at what may be over."""
ADOPT: Final = 20
"""At every so-many-th look, at what other processes may have left behind."""
REVOKE_SECONDS: Final = 10.0
PAUSES: Final = (0.5, 60.0)
"""First and longest pause, in seconds, before a provider is asked again."""
CLOSE_SECONDS: Final = 5.0
TERM: Final = "its term is over"
LATER: Final = (
    "the next gateway with this journal ends them; `bulkhead credentials list` shows them"
)
UNKNOWN: Final = "no such provider in the settings any more"


@dataclass(slots=True)
class Held:
    """A lease of this process, or one that another left behind: then `minted` is None. `provider` is None where the
    settings no longer have it."""

    lease: CredentialLease
    provider: CredentialProvider | None
    credential: Credential
    minted: Minted | None = None
    renew_at: int = 0
    ending: asyncio.Task[None] | None = None


class Ending:
    """The reaper of one gateway process."""

    def __init__(
        self,
        book: Book,
        provider_of: Callable[[CredentialLease], CredentialProvider | None],
        dead: Callable[[CredentialLease], str],
    ) -> None:
        """`provider_of`: what can end a lease of another process. `dead`: why what a lease is for is over;
        empty while it is not."""
        self._book = book
        self._provider_of = provider_of
        self._dead = dead
        self.live: dict[str, Held] = {}
        """By lease: what there is to end yet."""
        self.hidden: Mapping[str, Hidden] = defaultdict(Hidden)
        """By server."""
        self._looking: asyncio.Handle | None = None

    def why_over(self, lease: CredentialLease) -> str:
        """Why a lease must end now; empty while it need not."""
        if lease.ends_at <= self._book.clock():
            return TERM
        return self._dead(lease)

    def changed(self) -> None:
        """Something was fenced or ended: look as soon as there is time, once for all that changes now."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_soon(self._look)

    def begin(self, held: Held, why: str) -> asyncio.Task[None]:
        """End it. Whoever has it is told before anything is waited for."""
        if held.ending is None:
            held.credential.over.say()
            held.ending = asyncio.create_task(self._end(held, why))
        return held.ending

    def at_its_term(self, held: Held) -> None:
        """End it when its time has passed, whatever the clock says then: one that is set back makes no lease last
        longer. The watch, which goes by the clock, is earlier else."""
        left = (held.lease.ends_at - self._book.clock()) / 1_000_000 + EVERY
        timer = asyncio.get_running_loop().call_later(left, self.begin, held, TERM)
        held.credential.over.then(timer.cancel)

    async def watch(self) -> None:
        """Looks until cancelled."""
        for look in count():
            try:
                if look % ADOPT == 0:
                    await self.adopt()
                self._look()
            except Exception:
                log.exception("whether credentials are still wanted cannot be told")
            await asyncio.sleep(EVERY)

    async def adopt(self) -> list[Held]:
        """End what processes that are gone have left: nobody has these secrets any more."""
        try:
            left = await self._book.ledger.adopt()
        except JournalError as error:
            log.error("leases of credentials cannot be read: %s", error)
            return []
        adopted = []
        for lease in left:
            held = Held(lease, self._provider_of(lease), Credential(lease.id))
            if held.provider is None:
                log.error("credential %s: %s", _name(lease), UNKNOWN)
            self.live[lease.id] = held
            self.begin(held, "its gateway process has ended")
            adopted.append(held)
        return adopted

    async def aclose(self) -> None:
        """End all, as far as that can be done quickly; the rest is for the next process."""
        tasks = [self.begin(held, "its gateway has ended") for held in [*self.live.values()]]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
            if late:
                log.warning("%d credentials are not ended yet: %s", len(late), LATER)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _look(self) -> None:
        self._looking = None
        for held in [*self.live.values()]:
            if held.ending is not None or held.minted is None:
                continue
            try:
                why = self.why_over(held.lease)
            except JournalError as error:
                log.error("whether credentials are still wanted cannot be read: %s", error)
                return
            if why:
                self.begin(held, why)

    async def _end(self, held: Held, why: str) -> None:
        pause = PAUSES[0]
        while not await self._tried(held, why):
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSES[1])
        self.live.pop(held.lease.id, None)
        self.hidden[held.lease.server].ended(held.lease.id, asyncio.get_running_loop().time())

    async def _tried(self, held: Held, why: str) -> bool:
        """One try. False: there must be another."""
        lease = held.lease
        if held.provider is None:
            return await self._not_ended(held, f"{why}; {UNKNOWN}")
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                gone = await held.provider.revoke(lease.id, lease.ref, held.minted)
        except Exception as error:
            said = str(error) if isinstance(error, NoCredential) else type(error).__name__
            return await self._not_ended(held, f"{why}; {said}")
        return await self._ended(self._state(lease, gone), lease, why)

    def _state(self, lease: CredentialLease, gone: bool) -> LeaseState:
        if gone:
            return LeaseState.REVOKED
        over = lease.expires_at is not None and lease.expires_at <= self._book.clock()
        return LeaseState.EXPIRED if over else LeaseState.LASTING

    async def _ended(self, state: LeaseState, lease: CredentialLease, why: str) -> bool:
        try:
            await self._book.tell(state.value, self._book.moved(lease, state, why))
        except JournalError as error:
            log.error(
                "credential %s: %s, which is not written down: %s", _name(lease), state, error
            )
            return False
        return True

    async def _not_ended(self, held: Held, why: str) -> bool:
        lease, now = held.lease, self._book.clock()
        lease = held.lease = replace(lease, attempts=lease.attempts + 1)
        last = lease.ends_at if lease.expires_at is None else lease.expires_at
        log.error("credential %s is not revoked: %s", _name(lease), why)
        if last <= now:
            return await self._ended(LeaseState.REVOKE_FAILED, lease, why)
        held.lease = self._book.moved(lease, LeaseState.REVOKING, why)
        with suppress(JournalError):
            await self._book.ledger.keep(held.lease)
        return False


def _name(lease: CredentialLease) -> str:
    return f"{lease.id} ({lease.provider}, server {lease.server})"
