"""A lender, and all around it: a clock to turn, a ledger that remembers, a provider that does what it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.credential import LIVE, Account, CredentialLease, LeaseState, Moved
from gateway.core.model import Tier
from gateway.core.record import Line
from gateway.credential_ports import Minted, NoCredential, Wanted
from gateway.credentials.book import Book
from gateway.credentials.ending import Ending
from gateway.credentials.lender import Lender, Offered
from gateway.errors import JournalError
from gateway.journals.memory import MemoryJournal
from gateway.journals.protect import Protector
from gateway.journals.vault import Vault
from gateway.ports import Pending
from gateway.values import replace

SECOND = 1_000_000


class Ledger:
    """`CredentialLedger` in memory."""

    run = "run-1"

    def __init__(self) -> None:
        self.rows: dict[str, CredentialLease] = {}
        self.left: list[CredentialLease] = []
        """By processes that are gone."""

    async def keep(self, lease: CredentialLease) -> None:
        self.rows[lease.id] = lease

    async def adopt(self) -> Sequence[CredentialLease]:
        adopted = [replace(each, run=self.run) for each in self.left]
        self.left = []
        self.rows |= {each.id: each for each in adopted}
        return adopted

    def all(self, *, live: bool) -> Sequence[CredentialLease]:
        return [each for each in self.rows.values() if not live or each.state in LIVE]

    def close(self) -> None:
        return


class Journal(MemoryJournal):
    """Its lines move the ledger's rows, as those of the file do."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger
        self.told: list[str] = []

    def append(self, line: Line) -> Pending:
        pending = super().append(line)
        for claim in line.claims:
            if isinstance(claim, Moved):
                self.ledger.rows[claim.lease.id] = claim.lease
        assert line.record is not None
        self.told.append(line.record.method)
        return pending


@dataclass
class Provider:
    """Gives numbered secrets; does what it is told."""

    seconds: int | None = None
    alive: set[str] = field(default_factory=set)
    asked: list[Wanted] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    refuses: Exception | None = None
    keeps: Exception | None = None
    """What revoking raises."""
    can_revoke: bool = True
    holds: asyncio.Event | None = None
    """Issuing waits for it."""

    async def issue(self, wanted: Wanted) -> Minted:
        self.asked.append(wanted)
        if self.holds is not None:
            await self.holds.wait()
        if self.refuses is not None:
            raise self.refuses
        self.alive.add(wanted.lease)
        secret = f"secret-of-{wanted.lease}"
        return Minted({"token": secret}, frozenset({"token"}), f"ref-{wanted.lease}", self.seconds)

    async def revoke(self, lease: str, ref: str, minted: Minted | None) -> bool:
        self.revoked.append(lease)
        if self.keeps is not None:
            raise self.keeps
        if self.can_revoke:
            self.alive.discard(lease)
        return self.can_revoke

    async def aclose(self) -> None:
        return


class World:
    """One lender, and all that is around it."""

    def __init__(self, *, per_token: bool = False, seconds: int = 900, held: float = 0) -> None:
        self.now = 1_800_000_000 * SECOND
        self.dead: dict[str, str] = {}
        """By agent, why what it does is over."""
        self.provider = Provider()
        self.ledger = Ledger()
        self.journal = Journal(self.ledger)
        numbers = itertools.count(1)
        protector = Protector(Vault(b"k" * 32))
        self.book = Book(
            self.ledger,
            self.journal,
            protector,
            lambda: self.now,
            lambda: f"lease-{next(numbers):04}",
        )
        self.ending = Ending(
            self.book,
            lambda lease: self.provider if lease.provider == "fake" else None,
            lambda lease: self.dead.get(lease.agent, ""),
        )
        headers = {"Authorization": "Bearer {token}"}
        offered = Offered("fake", self.provider, seconds, headers, {}, per_token, held)
        offers = {("tried", Tier.DATA): offered, ("tried", Tier.TOOL): offered}
        self.tokens: dict[str, str] = {}
        self.lender = Lender(
            offers, self.book, self.ending, lambda who: self.tokens.get(who.token, ""), "local"
        )

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def rows(self, *states: LeaseState) -> list[CredentialLease]:
        return [each for each in self.ledger.rows.values() if each.state in states]

    async def settled(self) -> None:
        """Returns when nothing is being ended any more."""
        async with asyncio.timeout(20):
            while pending := [one.ending for one in self.ending.live.values() if one.ending]:
                await asyncio.wait(pending)


def who(agent: str = "ann", **other: Any) -> Account:
    """An account of a task without an end of its own."""
    plain = Account("issuer", "local", f"agent:{agent}", "T-1", (), Tier.DATA, None)
    return replace(plain, **other)


UNREACHABLE = NoCredential("it does not answer")
NEVER_MADE = NoCredential("it said no", nothing=True)
FULL = JournalError("the disk is full")
