"""Fences: who and what is stopped, and whether that is this call. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, Protocol

from gateway.core.cover import Cover, cover
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

    @property
    def caught(self) -> Caught:
        return self

    @property
    def places(self) -> list[tuple[Scope, str]]:
        """Scope and value of every fence that may stop this."""
        grants: list[tuple[Scope, str]] = [("grant", grant) for grant in self.grants]
        return [
            ("all", ""),
            ("tenant", self.tenant),
            ("agent", self.agent),
            ("task", self.task),
            ("server", self.server),
            ("tier", self.tier),
            *grants,
        ]


class Catchable(Protocol):
    """Whatever a fence may stop."""

    @property
    def caught(self) -> Caught:
        """What of it one may."""
        ...


class Ring:
    """Fences, found by what they stop: a call costs the same, however many stand."""

    def __init__(self, fences: Iterable[Fence]) -> None:
        self._at = defaultdict[tuple[Scope, str], list[Fence]](list)
        for one in fences:
            self._at[one.scope, "" if one.scope == "all" else one.value].append(one)

    def around(self, caught: Caught) -> Fence | None:
        """One that stops this; None where none does."""
        found = (one for place in caught.places for one in self._at.get(place, ()))
        return next((one for one in found if caught.by(one)), None)


def caller(identity: WorkloadIdentity) -> Caught:
    """Step 3: all that is known of a call when its caller is."""
    grants = (identity.grant,) if identity.grant else ()
    return Caught(identity.agent, identity.tenant, identity.task, grants)


def listed(classified: Classified) -> Caught:
    """A thing in a list: what is known of any call of it."""
    return call(classified, cover(classified.resolved.request.identity))


def call(classified: Classified, under: Cover) -> Caught:
    """The whole call, once it is known what it is made under."""
    resolved = classified.resolved
    identity = resolved.request.identity
    return Caught(
        identity.agent,
        identity.tenant,
        identity.task,
        under.ids or caller(identity).grants,
        resolved.target.server,
        classified.tier.value,
    )
