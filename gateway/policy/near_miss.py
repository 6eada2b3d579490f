"""Why nothing allowed a call: the closest allow rule and what it failed on. For operators, never for agents.

It looks at a bounded number of rules, so a refusal costs the same whatever the policy.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.model import AccessRequest
from gateway.policy import patterns
from gateway.policy.index import Index
from gateway.policy.rules import Rule

LIMIT = 32


def explain(index: Index, question: AccessRequest) -> str:
    """One line, e.g. `closest: P020 (policies/policy.csv:14) fails on role, when short_message`."""
    allows = named(index, question)
    if not allows:
        return f"no rule allows {question.tool} of {question.server} in tier {question.tier}"
    roles = index.roles(question.subject, question.tenant)
    missed = {rule: columns(rule, question, roles) for rule in allows}
    closest = min(allows, key=lambda rule: len(missed[rule]))
    what = missed[closest] or [f"when {closest.row.when}"]
    return f"closest: {closest.id} ({closest.where}) fails on {', '.join(what)}"


def named(index: Index, question: AccessRequest) -> list[Rule]:
    """Some allows of this very tier, server and tool, whoever they are for."""
    near = index.neighbours(question.tier, question.server, question.tool, LIMIT)
    return [rule for rule in near if rule.allows]


def columns(rule: Rule, question: AccessRequest, roles: frozenset[str]) -> list[str]:
    """The columns this question does not meet, conditions aside. Tier, server and tool are taken as met."""
    row = rule.row
    fits = {
        f"tenant {row.tenant}": row.tenant in (patterns.ANY, question.tenant),
        f"role {row.role}": row.role == patterns.ANY or row.role in roles,
        f"intent {row.intent}": row.intent in (patterns.ANY, question.intent),
        f"destination {row.destination}": patterns.hosts(row.destination).matches(
            question.destination
        ),
    }
    return [column for column, fit in fits.items() if not fit]


def anywhere(rules: Iterable[Rule], question: AccessRequest, roles: frozenset[str]) -> str:
    """The closest of all allows of the server, its tier and tools included, for what no rule names there.

    It looks at every rule, so it is for an operator who asks, and not on the way of a call."""
    missed: dict[Rule, list[str]] = {}
    for rule in rules:
        row = rule.row
        if not rule.allows or row.server != question.server:
            continue
        far = [] if patterns.names(row.tool).matches(question.tool) else [f"tool {row.tool}"]
        far += [] if row.tier == question.tier else [f"tier {row.tier}"]
        missed[rule] = far + columns(rule, question, roles)
    if not missed:
        return f"no rule allows anything of {question.server}"
    closest = min(missed, key=lambda rule: len(missed[rule]))
    return f"closest: {closest.id} ({closest.where}) fails on {', '.join(missed[closest])}"
