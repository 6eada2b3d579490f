"""Why a call is decided as it is: its class, the decision, and every rule in question with what it failed on.

For operators. It asks the policy the same question the Line would and adds nothing to the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.decide import question
from gateway.core.model import AccessRequest
from gateway.errors import Where
from gateway.policy import conditions, near_miss
from gateway.policy.asking import Asked, Reply, ask, is_own, own_question
from gateway.policy.rules import Rule
from gateway.policy.snapshot import PolicySnapshot
from gateway.values import Value

LIMIT = 200


class Considered(Value):
    """One rule of the same tier, server and tool: it matched, or the columns it failed on."""

    id: str
    effect: str
    where: Where
    failed: tuple[str, ...]


class Explanation(Value):
    """The whole answer to "why"."""

    reply: Reply
    served: bool
    """The tier of the call is served at the endpoint it came in by."""
    roles: frozenset[str]
    considered: Sequence[Considered] = ()
    doubts: tuple[str, ...] = ()
    """Of a recorded call: what it depends on and was not kept. It may be decided otherwise."""


def explain(policy: PolicySnapshot, asked: Asked) -> Explanation:
    """Class, decision and rules for a call that nobody made."""
    reply = ask(policy, asked)
    roles = policy.pdp.index.roles(asked.agent, asked.tenant)
    if reply.classified is not None:
        asking = question(reply.classified, asked.reversal)
        served = reply.classified.tier in asked.endpoint.tiers
    elif is_own(asked):
        asking, served = own_question(policy, asked), True
    else:
        return Explanation(reply, False, roles)
    near = _near(policy, asking)
    return Explanation(reply, served, roles, [_considered(policy, r, asking, roles) for r in near])


def _near(policy: PolicySnapshot, asking: AccessRequest) -> Iterable[Rule]:
    """Of every spelling the snapshot asks about: a deny or a duty of another one counts. An allow of it does not."""
    index = policy.pdp.index
    found = dict.fromkeys(index.neighbours(asking.tier, asking.server, asking.tool, LIMIT))
    for tool in index.spellings.others_of(asking.tool):
        more = index.neighbours(asking.tier, asking.server, tool, LIMIT)
        found |= {rule: None for rule in more if not rule.allows}
    return found


def _considered(
    policy: PolicySnapshot, rule: Rule, asking: AccessRequest, roles: frozenset[str]
) -> Considered:
    failed = near_miss.columns(rule, asking, roles)
    held, doubted = conditions.sort(policy.conditions, rule.conditions, asking)
    enough = held if rule.allows else held | doubted
    failed += [f"when {name}" for name in sorted(rule.conditions - enough)]
    return Considered(rule.id, rule.effect, rule.where, tuple(failed))
