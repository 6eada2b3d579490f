"""The PDP: a question in Bulkhead's words becomes one for Casbin, and its verdict a Decision with its reason.

Laws:
1. Default deny. A deny beats any allow.
2. Whatever is raised in here is a deny (decision_failed).
3. With `arguments=None` (a list) conditions on arguments are open: permitted iff they could come out in
   a way that permits. An allow rule is taken to hold together with its own conditions and no others,
   so a deny whose conditions are all among them still denies, and so does a hold of what cannot be held.
4. With `level=None` (not known yet) conditions on level and guard are open in the same way. The Line
   asks again when it is known, and that answer counts.
5. A duty is demanded by every rule of it that matches. One whose condition is open is not demanded yet.
6. A rule on trial (would-deny) has no part in any of that. It is asked when all else is decided, and
   whatever it answers, or raises, changes nothing.
7. `allowed` says that the question is about another spelling of something that is already allowed. It is
   permitted, too, if no rule speaks of it, and its duties count all the same.

It knows rules and conditions, and neither files nor the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gateway.core.model import AccessRequest, Decision, Effect, Obligation, Shadow
from gateway.policy import conditions, near_miss
from gateway.policy.conditions import Condition
from gateway.policy.engine import EngineFault
from gateway.policy.index import Index
from gateway.policy.rules import Rule
from gateway.policy.tiers import SECTION
from gateway.policy.verdicts import NOTHING, Outcomes, Plan, Verdicts
from gateway.reasons import Reason
from gateway.values import Value, replace

_UNCONDITIONAL: Final = (NOTHING,)
_NO_TOOLS: Final = tuple(f"{kind}:" for kind in SECTION if kind != "tool")
"""In front of a name in the column `tool` that is none. Only calls of tools can be held."""


class Pdp(Value):
    """One version of the policy."""

    index: Index
    verdicts: Verdicts
    conditions: Mapping[str, Condition]
    rules: Mapping[str, Rule]
    """By id."""

    def decide(self, question: AccessRequest, *, allowed: bool = False) -> Decision:
        """The answer. `allowed`: law 7. Never raises."""
        try:
            _check(question)
            plan = self.verdicts.plan(question)
            decision = self._decide(plan, question, allowed)
        except Exception as error:
            return Decision(
                False,
                Reason.DECISION_FAILED,
                near_miss=f"the decision failed: {type(error).__name__}: {error}",
            )
        if not plan.trials or not decision.permitted or question.arguments is None:
            return decision
        return replace(decision, shadows=self._shadows(plan, question))

    def constant(self, question: AccessRequest) -> bool:
        """Does no condition have a say, and is no rule on trial? Then what is no string in a question plays no
        part in its answer."""
        plan = self.verdicts.plan(question)
        return not plan.named and not plan.trials

    def given(
        self, plan: Plan, question: AccessRequest, outcomes: Outcomes, *, allowed: bool = False
    ) -> Decision:
        """The decision of a plan's rules if their conditions come out like this. Raises as `Engine.ask`."""
        verdict = self.verdicts.ask(plan, question, outcomes)
        permitted = verdict.permitted or (allowed and verdict.rule is None)
        duties = self._duties(plan, question, outcomes) if permitted else ()
        if verdict.rule is None:
            return Decision(permitted, Reason.NO_RULE, obligations=duties)
        rule = self.rules[verdict.rule]
        reason = Reason.ALLOWED_BY_RULE if permitted else Reason.DENIED_BY_RULE
        return Decision(permitted, reason, rule.id, rule.where, obligations=duties)

    def _decide(self, plan: Plan, question: AccessRequest, allowed: bool) -> Decision:
        decision = Decision(False, Reason.NO_RULE)
        for outcomes in self._outcomes(plan, question):
            decision = self.given(plan, question, outcomes, allowed=allowed)
            if decision.permitted and question.arguments is None:
                decision = self._listed(decision, plan, question, outcomes)
            if decision.permitted:
                break
        if not decision.permitted and decision.rule is None and question.arguments is not None:
            return replace(decision, near_miss=near_miss.explain(self.index, question))
        return decision

    def _duties(
        self, plan: Plan, question: AccessRequest, outcomes: Outcomes
    ) -> tuple[Obligation, ...]:
        """Law 5. Each is asked about alone, for Casbin names one rule and all that match count."""
        if question.arguments is None or not plan.duties:
            return ()
        return tuple(
            Obligation(rule.duty, rule.id, rule.where, rule.seconds)
            for rule in plan.duties
            if rule.duty and self.verdicts.matches(rule, plan, question, outcomes)
        )

    def _listed(
        self, decision: Decision, plan: Plan, question: AccessRequest, outcomes: Outcomes
    ) -> Decision:
        """The same, or that of a hold that nobody can fulfil: it ends every such call (`core.decide.discharge`)."""
        if question.effect is not Effect.READ and not question.tool.startswith(_NO_TOOLS):
            return decision
        for rule in plan.duties:
            if rule.duty == "hold" and self.verdicts.matches(rule, plan, question, outcomes):
                return Decision(False, Reason.DENIED_BY_RULE, rule.id, rule.where)
        return decision

    def _shadows(self, plan: Plan, question: AccessRequest) -> tuple[Shadow, ...]:
        """Law 6. A condition that is still open keeps a rule on trial quiet, as it does a duty."""
        return tuple(
            Shadow(rule.id, rule.where)
            for rule in plan.trials
            if self._denies(rule, plan, question)
        )

    def _denies(self, rule: Rule, plan: Plan, question: AccessRequest) -> bool:
        try:
            if any(self._is_open(name, question) for name in rule.conditions):
                return False
            outcomes = conditions.sort(self.conditions, rule.conditions, question)
            return self.verdicts.matches(rule, plan, question, outcomes)
        except Exception:
            return True  # as a deny it would have been one

    def _outcomes(self, plan: Plan, question: AccessRequest) -> Iterable[Outcomes]:
        """How the conditions of these rules come out: one way for a call, several for a list."""
        named = plan.named
        if not named:
            return _UNCONDITIONAL
        if any(self._is_open(name, question) for name in named):
            return self._open(plan.rules, named, question)
        return [conditions.sort(self.conditions, named, question)]

    def _is_open(self, name: str, question: AccessRequest) -> bool:
        condition = self.conditions[name]
        if question.arguments is None and condition.arguments:
            return conditions.is_open(condition, question)
        if question.level is not None or not condition.asks_for_level:
            return False
        return conditions.could_hold(condition, question)

    def _open(
        self, rules: Sequence[Rule], named: Iterable[str], question: AccessRequest
    ) -> Iterator[Outcomes]:
        """Laws 3 and 4: no open condition holds, then exactly those of each allow rule in turn."""
        is_open = {name for name in named if self._is_open(name, question)}
        settled = [name for name in named if name not in is_open]
        held, doubted = conditions.sort(self.conditions, settled, question)
        ways = {frozenset[str](): None}
        ways |= {rule.conditions & is_open: None for rule in rules if rule.allows}
        for way in ways:
            yield held | way, doubted


def _check(question: AccessRequest) -> None:
    if not question.subject.startswith(("agent:", "operator:")):
        # Casbin takes a subject that is spelt like a role for a holder of that role.
        raise EngineFault(f"subject {question.subject!r} is no agent and no operator")
