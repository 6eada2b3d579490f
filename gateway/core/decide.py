"""Steps 5 to 8 as pure steps: is this tier served here, are the arguments sound, what is the question to the PDP.

It asks no policy by itself: it makes the question and reads the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.model import AccessRequest, Classified, Decision, Endpoint, Tier, WorkloadIdentity
from gateway.errors import Refused
from gateway.reasons import Reason


@dataclass(frozen=True, slots=True)
class Decided:
    """Step 8's answer: a call that is permitted, with the decision that permits it."""

    classified: Classified
    decision: Decision


def served_tiers(endpoint: Endpoint, identity: WorkloadIdentity) -> frozenset[Tier]:
    """The tiers a call may have here: those of the endpoint that the caller's token names."""
    return endpoint.tiers & identity.tiers


def admit(classified: Classified) -> Classified:
    """The same, if its tier is served at this endpoint to this token. Raises `Refused` (other_tier)."""
    request = classified.resolved.request
    if classified.tier not in served_tiers(request.endpoint, request.identity):
        raise Refused(
            Reason.OTHER_TIER,
            f"a call of tier {classified.tier} at {request.endpoint.path}",
            classified.where,
        )
    return classified


def question(classified: Classified) -> AccessRequest:
    """What the PDP is asked about this very call."""
    identity = classified.resolved.request.identity
    target = classified.resolved.target
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
    )


def require(classified: Classified, decision: Decision) -> Decided:
    """The decided call. Raises `Refused` on a deny, and on an obligation nobody here can fulfil."""
    if not decision.permitted:
        raise Refused(decision.reason, decision.near_miss, decision.where, rule=decision.rule or "")
    if decision.obligations:
        names = ", ".join(duty.name for duty in decision.obligations)
        raise Refused(Reason.DENIED_BY_RULE, f"unfulfilled obligation: {names}", decision.where)
    return Decided(classified, decision)
