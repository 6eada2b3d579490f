"""The record of an act: what an operator, or the gateway itself, did beside all calls. Pure.

What only a call has is empty here. It knows no journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.model import CallRecord
from gateway.errors import Where


def of_act(
    call_id: str,
    by: str,
    method: str,
    protected: tuple[Mapping[str, Any], str] = ({}, ""),
    *,
    tenant: str,
    task: str = "",
    intent: str = "",
    endpoint: str = "",
    server: str = "",
    target: str = "",
    tier: str = "",
    rule: str | None = "",
    where: Where | None = None,
    policy_version: str = "",
    grant: str = "",
) -> CallRecord:
    """`method`: what was done, as the journal has it; `protected`: what it was done with, and its digest."""
    arguments, digest = protected
    names = (call_id, by, tenant, task, intent, endpoint, method, server, target, tier)
    return CallRecord(
        *names,
        effect="",
        destination="",
        rule=rule or "",
        where=str(where or ""),
        policy_version=policy_version,
        descriptor="",
        arguments=arguments,
        arguments_digest=digest,
        grant=grant,
    )
