"""What the records of calls like one another have in common: described once, found again by all that it is made of,
or by the course they followed, which says all of it.

It knows neither what a call brings of its own nor where records are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final

from gateway.core.decide import Decided
from gateway.core.describe import like
from gateway.core.model import CallRecord
from gateway.ports import Mark, PolicyView
from gateway.values import Value

MOST: Final = 4_096
"""Past it all are forgotten."""


class Like(Value):
    """Of calls like one another."""

    record: CallRecord
    """Without what is a call's own (`core.model.Own`)."""
    marks: Mapping[str, Mark]
    course: object
    """By which it is found: kept alive, so that no other one can have its id."""


class Alike:
    """What was described, for one scribe."""

    def __init__(self, clean: Callable[[str], str]) -> None:
        """`clean`: keeps secrets out of a name."""
        self._clean = clean
        self._policy: PolicyView | None = None
        self._known: dict[Hashable, Like] = {}
        """By this version of the policy."""

    def of(self, decided: Decided, policy: PolicyView, grant: str) -> Like:
        """What a call that was so decided has in common with others. `grant`: which it is made under."""
        if policy is not self._policy:
            self._known.clear()
            self._policy = policy
        course = decided.course
        key = _all_of(decided, grant) if course is None else (id(course), grant)
        known = self._known.get(key)
        return self._made(key, decided, policy, grant) if known is None else known

    def _made(self, key: Hashable, decided: Decided, policy: PolicyView, grant: str) -> Like:
        classified, decision = decided.classified, decided.decision
        record = like(classified, decision, grant, policy.version, self._clean)
        made = Like(record, policy.marks(classified), decided.course)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = made
        return made


def _all_of(decided: Decided, grant: str) -> Hashable:
    classified, decision = decided.classified, decided.decision
    resolved = classified.resolved
    request, entry = resolved.request, resolved.entry
    identity = request.identity
    return (
        identity.agent,
        identity.tenant,
        identity.task,
        identity.intent,
        identity.on_behalf_of,
        request.endpoint,
        resolved.target,
        None if entry is None else entry.digest,
        request.method,
        classified.tier,
        classified.effect,
        classified.destination,
        decision.rule,
        decision.where,
        decision.obligations,
        decision.shadows,
        grant,
    )
