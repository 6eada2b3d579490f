"""An act: what an operator, or the gateway itself, does beside agents' calls. What is asked of the PDP, and its record.

Pure. What only an agent's call has is empty here. It knows no journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway import __version__
from gateway.core.model import (
    AccessRequest,
    CallRecord,
    ClientFacts,
    Decision,
    Effect,
    JsonObject,
    Tier,
)
from gateway.core.reverse import Level
from gateway.errors import Refused, Where
from gateway.reasons import Reason

CLIENT: Final = ClientFacts("2026-07-28", {}, {"name": "bulkhead", "version": __version__})
"""What the gateway says of itself to a tool server that it calls by itself."""
UNDO: Final = "bulkhead/undo"
"""The method of an undo's own thread in the journal."""
FOR: Final = "for call "
"""How a call that the gateway makes by itself names the one it is made for, in `where`."""


def question(
    subject: str,
    tenant: str,
    intent: str,
    server: str,
    tool: str,
    arguments: JsonObject,
    task: str = "",
    destination: str = "local",
    on_behalf_of: str = "",
) -> AccessRequest:
    """What the PDP is asked about an act, which no line of tiers.yaml classifies: an inverse call, an operator's word,
    a request for a grant. It has no inverse of its own."""
    return AccessRequest(
        subject=subject,
        tenant=tenant,
        intent=intent,
        tier=Tier.ADMIN,
        server=server,
        tool=tool,
        destination=destination,
        effect=Effect.DESTROY,
        arguments=arguments,
        task=task,
        level=Level.UNKNOWN.value,
        on_behalf_of=on_behalf_of,
    )


def outright(decision: Decision) -> bool:
    """Is it permitted, and nothing to be seen to first? A duty on an act is a no: nobody can be asked here."""
    return decision.permitted and not decision.obligations


def refusal(decision: Decision, asked: str = "") -> Refused:
    """Of an act that is not permitted outright. `asked`: what it was, in words."""
    duties = ", ".join(duty.name for duty in decision.obligations)
    why = f"unfulfilled obligation: {duties}" if duties else decision.near_miss
    reason = Reason.DENIED_BY_RULE if decision.permitted else decision.reason
    return Refused(
        reason, "; ".join(filter(None, (asked, why))), decision.where, decision.rule or ""
    )


def not_theirs(tenant: str, on_behalf_of: str, said: JsonObject) -> str:
    """What an agent may not ask for in a grant, whatever rule there is: another tenant's, or on behalf of somebody else
    than its token names. Empty when it asks for neither."""
    asked, behalf = said.get("tenant", tenant), said.get("on_behalf_of", on_behalf_of)
    if asked != tenant:
        return f"tenant {asked}"
    return f"on behalf of {behalf}" if on_behalf_of not in ("", behalf) else ""


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
    effect: str = "",
    rule: str | None = "",
    where: Where | str | None = None,
    policy_version: str = "",
    grant: str = "",
    on_behalf_of: str = "",
) -> CallRecord:
    """`method`: what was done, as the journal has it; `protected`: what it was done with, and its digest."""
    arguments, digest = protected
    names = (call_id, by, tenant, task, intent, endpoint, method, server, target, tier)
    return CallRecord(
        *names,
        effect=effect,
        destination="",
        rule=rule or "",
        where=str(where or ""),
        policy_version=policy_version,
        descriptor="",
        arguments=arguments,
        arguments_digest=digest,
        grant=grant,
        on_behalf_of=on_behalf_of,
    )
