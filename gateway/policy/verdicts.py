"""What one version of the policy was asked before, and Casbin's verdict on it: a question is decided once.

A verdict is remembered by everything the matcher reads: tenant, tier, server, tool, intent, destination, how
the conditions of the rules came out, and the roles in place of the agent, for it is by them alone that a rule
can name one. By nothing less. It lives and dies with its version of the policy; what was raised is not kept.
"""

from __future__ import annotations

from typing import Final, TypeVar

from gateway.core.model import AccessRequest
from gateway.policy.engine import NONE, Engine, Question, Row, Verdict
from gateway.policy.index import Index
from gateway.policy.rules import Rule
from gateway.values import Value

MOST: Final = 16_384
"""Of each kind remembered. Past it all is forgotten: names that agents make up take no room for long."""
LONGEST: Final = 512
"""Characters of such a name that is remembered."""

Outcomes = tuple[frozenset[str], frozenset[str]]
"""Names of the conditions that hold, and of those nobody can tell."""
NOTHING: Final[Outcomes] = (frozenset(), frozenset())
K = TypeVar("K")
V = TypeVar("V")


class Plan(Value):
    """The rules that could match a question about one thing, asked by whoever has these roles."""

    roles: frozenset[str]
    rules: tuple[Rule, ...]
    rows: tuple[Row, ...]
    """Of those that permit or deny."""
    duties: tuple[Rule, ...]
    trials: tuple[Rule, ...]
    """Those on trial, which are no part of `rules`."""
    named: tuple[str, ...]
    """The conditions of all of them, sorted."""


class Verdicts:
    """One engine and one index, asked once for each question. Safe to ask from any thread."""

    def __init__(self, index: Index, engine: Engine) -> None:
        self._index = index
        self.engine = engine
        self._plans: dict[object, Plan] = {}
        self._verdicts: dict[object, Verdict] = {}
        self._matches: dict[object, bool] = {}

    def plan(self, question: AccessRequest) -> Plan:
        """The rules to be asked."""
        roles = self._index.roles(question.subject, question.tenant)
        key = (question.tier, question.server, question.tool, roles)
        plan = self._plans.get(key)
        if plan is None:
            found = self._index.candidates(*key)
            rules = tuple(rule for rule in found if not rule.on_trial)
            plan = Plan(
                roles,
                rules,
                tuple(rule.row for rule in rules if rule.decides),
                tuple(rule for rule in rules if rule.duty),
                tuple(rule for rule in found if rule.on_trial),
                tuple(sorted({name for rule in rules for name in rule.conditions})),
            )
            _keep(self._plans, key, plan, question)
        return plan

    def ask(self, plan: Plan, question: AccessRequest, outcomes: Outcomes) -> Verdict:
        """Which of the plan's rules decides. Raises as `Engine.ask`."""
        key = _key(plan, question, outcomes)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self.engine.ask(plan.rows, asked(question, outcomes))
            _keep(self._verdicts, key, verdict, question)
        return verdict

    def matches(self, rule: Rule, plan: Plan, question: AccessRequest, outcomes: Outcomes) -> bool:
        """Would this rule, alone, decide? Raises as `Engine.ask`."""
        key = (rule.id, _key(plan, question, outcomes))
        matches = self._matches.get(key)
        if matches is None:
            verdict = self.engine.ask([rule.row], asked(question, outcomes))
            matches = verdict.rule == rule.id
            _keep(self._matches, key, matches, question)
        return matches


def asked(question: AccessRequest, outcomes: Outcomes) -> Question:
    """The question as Casbin gets it: strings only."""
    held, doubted = outcomes
    return Question(
        str(question.tier),
        question.server,
        question.tool,
        question.subject,
        question.tenant,
        question.intent,
        question.destination,
        "&".join(sorted(held)) or NONE,
        "&".join(sorted(doubted)) or NONE,
    )


def _key(plan: Plan, question: AccessRequest, outcomes: Outcomes) -> object:
    """Every field of `Question`, the roles for the agent."""
    return (
        question.tier,
        question.server,
        question.tool,
        plan.roles,
        question.tenant,
        question.intent,
        question.destination,
        *outcomes,
    )


def _keep(known: dict[K, V], key: K, value: V, question: AccessRequest) -> None:
    if len(question.tool) > LONGEST:
        return
    if len(known) >= MOST:
        known.clear()
    known[key] = value
