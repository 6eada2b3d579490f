"""Wires where operators give and end grants: in a process of its own, beside gateways that serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.grants import office
from gateway.app.policies import PoliciesWhenAsked
from gateway.grants.office import Office
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.settings import Settings


@asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Office]:
    """Raises `Misconfigured`, `JournalError`."""
    policies = PoliciesWhenAsked(settings)
    protector = Protector.open(settings.state_dir)
    journal = await SqliteJournal.open(settings.journal_file)
    store = journal.grants()
    try:
        yield office(settings, policies, protector, journal, store)
    finally:
        store.close()
        await journal.aclose()
