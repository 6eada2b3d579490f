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
    return CallRecord(
        call_id=call_id,
        agent=by,
        tenant=tenant,
        task=task,
        intent=intent,
        endpoint=endpoint,
        method=method,
        server=server,
        target=target,
        tier=tier,
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
