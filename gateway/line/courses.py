"""Calls like one before: what catalogue and policy said of a tool to one caller, and must say again.

Steps 4 to 6 ask the same of the same table and the same version of the policy; where the answer looked at no
argument, it is followed again as long as both are the same objects. Whatever a call brings of its own (its params,
fences, grants, budgets, its arguments) is looked at each time; of its params the arguments alone, where the rest is a
frame in which it was followed before. It decides nothing by itself.
"""

from __future__ import annotations

from typing import Final

from gateway.core.decide import Decided, question, require
from gateway.core.lookalikes import refuse_look_alikes
from gateway.core.model import (
    Classified,
    Decision,
    Effect,
    Endpoint,
    Entry,
    Flow,
    Request,
    Resolved,
    Target,
    Tier,
    WorkloadIdentity,
)
from gateway.core.resolve import Table
from gateway.core.reverse import Reversal
from gateway.errors import Where
from gateway.ports import PolicyView
from gateway.values import Value

MOST: Final = 4_096
"""Past it all are forgotten: tokens are new every hour."""
CALL: Final = "tools/call"


class Course(Value):
    """What leads from one caller's name for a tool to the permit. Nothing of the call it was learned from."""

    identity: WorkloadIdentity
    endpoint: Endpoint
    target: Target
    entry: Entry | None
    tier: Tier
    effect: Effect
    destination: str
    where: Where
    flow: Flow | None
    decision: Decision
    among: object
    """Those it is one of: of the very table and version of the policy it was learned from."""


class Courses:
    """Those of one table under one version of the policy."""

    def __init__(self) -> None:
        self._table: Table | None = None
        self._policy: PolicyView | None = None
        self._known: dict[tuple[int, int, str], Course | None] = {}
        """By the very objects of caller and endpoint, and the name; None: arguments have a say."""
        self._among = object()

    def follow(self, table: Table, policy: PolicyView, request: Request) -> Decided | None:
        """The decided call, if one like it was decided; None if it is to be asked for. Raises `Refused`
        (malformed)."""
        if table is not self._table or policy is not self._policy:
            return None
        frame, params = request.frame, request.params
        course = frame.course if frame is not None else None
        if not (
            isinstance(course, Course)
            and course.among is self._among
            and course.identity is request.identity
            and course.endpoint is request.endpoint
        ):
            course = self._find(request)
            if course is None:
                return None
            if frame is not None:
                frame.course = course
        own = course.target.name
        if params["name"] != own:
            params = {**params, "name": own}
        resolved = Resolved(request, course.target, course.entry, params)
        classified = Classified(
            resolved, course.tier, course.effect, course.destination, course.where, course.flow
        )
        return Decided(classified, course.decision, course)

    def _find(self, request: Request) -> Course | None:
        name = request.params.get("name")
        if type(name) is not str or request.method != CALL:
            return None
        course = self._known.get((id(request.identity), id(request.endpoint), name))
        if course is not None:
            refuse_look_alikes(request)
        return course

    def note(self, table: Table, policy: PolicyView, decided: Decided) -> Decided:
        """The same: it was decided by these."""
        request = decided.classified.resolved.request
        if request.method != CALL:
            return decided
        if table is not self._table or policy is not self._policy or len(self._known) >= MOST:
            self._known.clear()
            self._table, self._policy, self._among = table, policy, object()
        key = (id(request.identity), id(request.endpoint), request.params["name"])
        if key not in self._known:
            alike = policy.constant(decided.classified)
            self._known[key] = _course(decided, self._among) if alike else None
        return decided


def with_level(policy: PolicyView, decided: Decided, reversal: Reversal) -> Decided:
    """The call decided again with its level, by the version of the policy it was just decided by. One that followed a
    course is: where no condition has a say, none asks for the level. Raises `Refused`."""
    if decided.course is not None:
        return decided
    decision = policy.decide(question(decided.classified, reversal))
    return require(decided.classified, decision, reversal)


def _course(decided: Decided, among: object) -> Course:
    classified = decided.classified
    resolved = classified.resolved
    return Course(
        resolved.request.identity,
        resolved.request.endpoint,
        resolved.target,
        resolved.entry,
        classified.tier,
        classified.effect,
        classified.destination,
        classified.where,
        classified.flow,
        decided.decision,
        among,
    )
