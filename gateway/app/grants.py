"""Wires where grants are given and ended: at a gateway's counter, and at an operator's command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from typing import TYPE_CHECKING

from gateway.app.clock import microseconds, new_call_id
from gateway.app.policies import PoliciesWhenAsked
from gateway.grant_ports import GrantStore
from gateway.grants.office import Office
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.policy.intents import unknown
from gateway.ports import Journal
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.app.bounds import LiveBounds
    from gateway.grants.counter import Counter
    from gateway.policy.live import LivePolicies


def office(
    settings: Settings,
    policies: LivePolicies | PoliciesWhenAsked,
    protector: Protector,
    journal: Journal,
    store: GrantStore,
) -> Office:
    """Where grants are given by the intents of the policy in force."""
    return Office(
        store=store,
        journal=journal,
        protector=protector,
        ceilings=lambda intent: policies.current.intents.ceilings.get(intent),
        keeps_flow=lambda: policies.current.keeps_flow,
        unknown=lambda bounds: unknown(bounds, policies.current.tiers),
        tenant=settings.tenant,
        clock=microseconds,
        new_id=new_call_id,
    )


def counter(office: Office, policies: LivePolicies, bounds: LiveBounds) -> Counter:
    """Where they are asked for over the network: what is fenced gets none."""
    from gateway.grants.counter import Counter

    book = bounds.book
    return Counter(office=office, policies=policies, admit=bounds.admit, given=book.all)


@asynccontextmanager
async def open_office(settings: Settings) -> AsyncIterator[Office]:
    """For an operator, in a process of its own, beside gateways that serve. Raises `Misconfigured`, `JournalError`."""
    policies = PoliciesWhenAsked(settings)
    protector = Protector.open(settings.state_dir)
    async with aclosing(await SqliteJournal.open(settings.journal_file)) as journal:
        with closing(journal.grants()) as store:
            yield office(settings, policies, protector, journal, store)
