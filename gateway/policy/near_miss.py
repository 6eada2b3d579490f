"""Why nothing allowed a call: the closest allow rule and what it failed on. For operators, never for agents.

It looks at a bounded number of rules, so a refusal costs the same whatever the policy.
"""

from __future__ import annotations

from gateway.core.model import AccessRequest
from gateway.policy import patterns
from gateway.policy.index import Index
from gateway.policy.rules import Rule

LIMIT = 32


def explain(index: Index, question: AccessRequest) -> str:
    """One line, e.g. `closest: P020 (policies/policy.csv:14) fails on role, when short_message`."""
    allows = [
        rule
        for rule in index.neighbours(question.tier, question.server, question.tool, LIMIT)
        if rule.allows
    ]
    if not allows:
        return f"no rule allows {question.tool} of {question.server} in tier {question.tier}"
    roles = index.roles(question.subject, question.tenant)
    missed = {rule: columns(rule, question, roles) for rule in allows}
    closest = min(allows, key=lambda rule: len(missed[rule]))
    what = missed[closest] or [f"when {closest.row.when}"]
    return f"closest: {closest.id} ({closest.where}) fails on {', '.join(what)}"


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
