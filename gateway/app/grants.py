"""Wires where grants are given and ended: at a gateway's counter, and at an operator's command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.app.clock import microseconds, new_call_id
from gateway.grants.office import Office
from gateway.journals.protect import Protector
from gateway.line.bounds import Bounds
from gateway.ports import GrantStore, Journal
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.app.policies import PoliciesWhenAsked
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
        tenant=settings.tenant,
        clock=microseconds,
        new_id=new_call_id,
    )


def counter(office: Office, policies: LivePolicies, bounds: Bounds) -> Counter:
    """Where they are asked for over the network: what is fenced gets none."""
    from gateway.grants.counter import Counter

    return Counter(office=office, policies=policies, admit=bounds.admit)
