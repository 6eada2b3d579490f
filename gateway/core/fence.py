"""Fences: who and what is stopped, and whether that is this call. Pure."""

from __future__ import annotations

from typing import Literal, Protocol

from gateway.core.cover import Cover
from gateway.core.model import Classified, WorkloadIdentity
from gateway.values import Value

Scope = Literal["agent", "task", "grant", "server", "tier", "tenant", "all"]


class Fence(Value):
    """One thing that is stopped, until the fence is lifted."""

    scope: Scope
    value: str
    """What is stopped: `agent:<name>`, a task, a grant and all below it, ...; empty for all."""
    by: str
    """`operator:<name>`, or what asked for it."""
    why: str
    at: int
    """Microseconds since the epoch."""
    tenant: str = ""
    """Only what is this tenant's; empty: whosever it is."""

    def __str__(self) -> str:
        whose = f"of {self.tenant}" if self.tenant else ""
        return f"{self.scope} {self.value} {whose}".strip()


class Caught(Value):
    """What of a call a fence may stop. Empty: not known yet, or nothing."""

    agent: str
    tenant: str
    task: str
    grants: tuple[str, ...] = ()
    server: str = ""
    tier: str = ""

    def by(self, fence: Fence) -> bool:
        """Does the fence stop this?"""
        if fence.tenant not in ("", self.tenant):
            return False
        if fence.scope == "all":
            return True
        if fence.scope == "grant":
            return fence.value in self.grants
        return bool(fence.value) and getattr(self, fence.scope) == fence.value


class Catchable(Protocol):
    """Whatever a fence may stop."""

    def by(self, fence: Fence) -> bool:
        """Does the fence stop this?"""
        ...


def caller(identity: WorkloadIdentity) -> Caught:
    """Step 3: all that is known of a call when its caller is."""
    grants = (identity.grant,) if identity.grant else ()
    return Caught(identity.agent, identity.tenant, identity.task, grants)


def listed(classified: Classified) -> Caught:
    """A thing in a list: what is known of any call of it."""
    return call(classified, Cover((), ""))


def call(classified: Classified, cover: Cover) -> Caught:
    """The whole call, once it is known what it is made under."""
    resolved = classified.resolved
    identity = resolved.request.identity
    return Caught(
        identity.agent,
        identity.tenant,
        identity.task,
        cover.ids or caller(identity).grants,
        resolved.target.server,
        classified.tier.value,
    )
