"""Wires where grants are given and ended: in a gateway, and in a process of its own beside gateways that serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.gateway import microseconds, new_call_id
from gateway.grants.office import Office
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.policy.live import LivePolicies
from gateway.ports import GrantStore
from gateway.settings import Settings


@asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Office]:
    """Raises `Misconfigured`, `JournalError`."""
    policies = LivePolicies(settings.policy_dir, settings.servers)
    protector = Protector.open(settings.state_dir)
    journal = await SqliteJournal.open(settings.state_dir / "journal.db")
    store = journal.grants()
    try:
        yield office(settings, policies, protector, journal, store)
    finally:
        store.close()
        await journal.aclose()


def office(
    settings: Settings,
    policies: LivePolicies,
    protector: Protector,
    journal: SqliteJournal,
    store: GrantStore,
) -> Office:
    """Where grants are given by the intents of the policy in force."""
    return Office(
        store=store,
        journal=journal,
        protector=protector,
        ceilings=lambda intent: policies.current.intents.ceilings.get(intent),
        tenant=settings.tenant,
        clock=microseconds,
        new_id=new_call_id,
    )
