"""Grants for tests, and calls that are made under them."""

from __future__ import annotations

from typing import Any

from gateway.core.grant import Grant, Terms
from gateway.core.model import (
    Classified,
    ClientFacts,
    Effect,
    Endpoint,
    Era,
    Flow,
    JsonObject,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.errors import Where

NOON = 1_795_000_000_000_000
SECOND = 1_000_000
HERE = Where("policies/tiers.yaml", 7)


def terms(**changes: Any) -> Terms:
    plain: dict[str, Any] = {
        "tiers": frozenset({Tier.DATA, Tier.TOOL}),
        "tools": ("git/*", "mail/send"),
        "seconds": 600,
    }
    return Terms(**{**plain, **changes})


def grant(name: str, parent: Grant | None = None, **changes: Any) -> Grant:
    """A grant for `agent:<name>` and the task of the same name; `changes` are its terms'."""
    return Grant(
        id=name,
        tenant="local",
        agent=f"agent:{name}",
        task=name,
        intent="general",
        terms=terms(**changes),
        parent=parent.id if parent else "",
        root=parent.root if parent else name,
        depth=parent.depth + 1 if parent else 1,
        root_task=parent.root_task if parent else name,
        created_by="operator:ada",
        created_at=NOON,
    )


def call(
    who: str,
    tool: str = "git_log",
    *,
    server: str = "git",
    tier: Tier = Tier.DATA,
    effect: Effect = Effect.READ,
    destination: str = "local",
    arguments: JsonObject | None = None,
    flow: Flow | None = None,
    intent: str = "general",
    task: str | None = None,
    named: str = "",
    principal: str = "",
) -> Classified:
    """A call of `agent:<who>` in its task, as classified."""
    identity = WorkloadIdentity(
        "urn:test",
        f"agent:{who}",
        "local",
        who if task is None else task,
        intent,
        frozenset(Tier),
        "jti",
        2**40,
        grant=named,
        on_behalf_of=principal,
    )
    params: JsonObject = {"name": tool, "arguments": arguments or {}}
    request = Request(
        Endpoint("all"), identity, Era.STATELESS, 1, "tools/call", params, ClientFacts("2026-07-28")
    )
    resolved = Resolved(request, Target(server, "tool", tool), None, params)
    return Classified(resolved, tier, effect, destination, HERE, flow)
