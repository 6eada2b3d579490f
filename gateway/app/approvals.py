"""Wires where operators answer tickets: beside gateways that serve, on the same journal and policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from gateway.app.clock import microseconds, new_call_id
from gateway.app.policies import PoliciesWhenAsked
from gateway.approvals.deciding import Deciding
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.settings import Settings


@asynccontextmanager
async def open_approvals(settings: Settings) -> AsyncIterator[Deciding]:
    """Raises `Misconfigured`, `JournalError`."""
    policies = PoliciesWhenAsked(settings)
    protector = Protector.open(settings.state_dir)
    async with aclosing(await SqliteJournal.open(settings.journal_file)) as journal:
        yield Deciding(
            journal=journal,
            tickets=journal.tickets(),
            policies=policies,
            protector=protector,
            clock=microseconds,
            new_call_id=new_call_id,
        )
