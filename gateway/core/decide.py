"""Around the PDP, steps 5 and 6: is this tier served here, what is the question, what follows from the answer.

It asks no policy by itself: it makes the question and reads the answer.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.core.model import (
    AccessRequest,
    Classified,
    Decision,
    Effect,
    Endpoint,
    Tier,
    WorkloadIdentity,
)
from gateway.core.reverse import READ, Reversal
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value


class Decided(Value):
    """Step 6's answer: a call that is permitted, with the decision that permits it."""

    classified: Classified
    decision: Decision
    course: object = None
    """The very object that calls have in common which are alike in all but what is their own; None: not known."""


class Discharged(Value):
    """A decided call whose every duty was fulfilled. Made by `discharge` only."""

    decided: Decided


def served_tiers(endpoint: Endpoint, identity: WorkloadIdentity) -> frozenset[Tier]:
    """The tiers a call may have here: those of the endpoint that the caller's token names."""
    return endpoint.tiers & identity.tiers


def admit(classified: Classified) -> Classified:
    """The same, if its tier is served at this endpoint to this token. Raises `Refused` (other_tier)."""
    request = classified.resolved.request
    if classified.tier not in served_tiers(request.endpoint, request.identity):
        said = f"a call of tier {classified.tier} at {request.endpoint.path}"
        if classified.tier in request.endpoint.tiers:
            said += f", with a token for {' and '.join(sorted(request.identity.tiers))}"
        raise Refused(Reason.OTHER_TIER, said, classified.where)
    return classified


def question(classified: Classified, reversal: Reversal | None = None) -> AccessRequest:
    """What the PDP is asked about this very call.

    `reversal`: how it would be undone, once that is known. A read needs none."""
    if reversal is None and classified.effect is Effect.READ:
        reversal = READ
    identity = classified.resolved.request.identity
    target = classified.resolved.target
    known = classified.resolved.decided_level
    level, guard = known or (None, None)
    if reversal is not None:
        level, guard = reversal.level.value, reversal.guard
    return AccessRequest(
        subject=identity.agent,
        tenant=identity.tenant,
        intent=identity.intent,
        tier=classified.tier,
        server=target.server,
        tool=target.policy_name,
        destination=classified.destination,
        effect=classified.effect,
        arguments=classified.resolved.arguments,
        task=identity.task,
        on_behalf_of=identity.on_behalf_of,
        level=level,
        guard=guard,
    )


def require(
    classified: Classified, decision: Decision, reversal: Reversal | None = None
) -> Decided:
    """The decided call. Raises `Refused` on a deny. Its duties are yet to be fulfilled: `discharge`.

    A deny with `reversal` is one of a call that was permitted before its level was known."""
    if not decision.permitted and reversal is not None:
        known = f"level {reversal.level}, guard {reversal.guard}: {reversal.why}"
        heard = f"its tool server said: {reversal.heard}" if reversal.heard else ""
        detail = "; ".join(filter(None, (known, heard, decision.near_miss)))
        raise Refused(Reason.NOT_REVERSIBLE, detail, decision.where, rule=decision.rule or "")
    if not decision.permitted:
        raise Refused(decision.reason, decision.near_miss, decision.where, rule=decision.rule or "")
    return Decided(classified, decision)


def discharge(decided: Decided, fulfilled: Collection[str]) -> Discharged:
    """The call that may be recorded. `fulfilled`: names of duties that were seen to.

    Raises `Refused` on the first that was not: an obligation unfulfilled is a deny."""
    for duty in decided.decision.obligations:
        if duty.name not in fulfilled:
            detail = f"unfulfilled obligation: {duty.name}"
            raise Refused(Reason.DENIED_BY_RULE, detail, duty.where, duty.rule)
    return Discharged(decided)
