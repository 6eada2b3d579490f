"""What a policy says of recorded calls: every answer it could give, as far as the journal can tell.

Laws:
1. It is the policy's own classifier and PDP that answer. What is remembered here is a question's whole answer
   under one version: the same rules, the same words, the same outcomes of the same conditions.
2. Where something was not kept, every way it could have been is asked. One answer left: it is told.
3. Grants, budgets, fences and the flow of labels are not asked: they are of their own time. One part is: a
   tier where the role alone no longer is enough.

It knows no journal. One rehearsal is for one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from gateway.core.model import AccessRequest, Effect, Target, Tier
from gateway.core.reverse import GUARDS, Level
from gateway.errors import Refused
from gateway.policy import classify, conditions
from gateway.policy.asking import endpoint_at
from gateway.policy.recalled import HIDDEN, Answer, Recalled
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.tiers import ByArgument, Line
from gateway.policy.verdicts import NOTHING, Outcomes, Plan
from gateway.reasons import Reason
from gateway.values import Value, replace

MAX_WAYS: Final = 1_000
"""More ways than that are not gone through: the call cannot be told."""
EITHER: Final = (Answer(True, "some rule"), Answer(False, "some rule"))
_ALL_BUT_ARGUMENTS: Final = tuple(
    "agent tenant intent endpoint method server target tier effect policy_version grant".split()
)
"""Beside level, guard and the old answer, all a call without a look at its arguments is asked about."""


class Possible(Value):
    """Every answer one call could get."""

    answers: frozenset[Answer]
    doubts: tuple[str, ...]
    """What is not known of the call, where that plays a part."""


@dataclass(slots=True)
class _Cell:
    """The rules of one tier, server, tool and agent; and the answers they have given."""

    plan: Plan
    asks_for_level: bool
    asks_for_arguments: bool
    answers: dict[tuple[str, str, Outcomes, bool], Answer] = field(default_factory=dict)


class Rehearsal:
    """One policy, asked again and again."""

    def __init__(self, policy: PolicySnapshot, companions: Mapping[str, str]) -> None:
        """`companions`: id of a companion -> the server it belongs to, by whose rules it is asked about."""
        self._policy = policy
        self._companions = companions
        self._lines: dict[Target, Line | Answer] = {}
        self._cells: dict[tuple[str, ...], _Cell] = {}
        self._wants: dict[tuple[str, ...], bool] = {}
        self._known: dict[tuple[object, ...], Possible] = {}

    def wants_arguments(self, call: Recalled) -> bool:
        """Could anything of its arguments play a part?"""
        get = call.record.__getitem__
        key = tuple(map(get, ("agent", "tenant", "server", "target", "method")))
        wants = self._wants.get(key)
        if wants is None:
            wants = self._wants[key] = self._looks_at_arguments(call)
        return wants

    def _looks_at_arguments(self, call: Recalled) -> bool:
        if call.own or call.record["method"].startswith("resources/"):
            return True
        line = self._line(call.target)
        if isinstance(line, Answer):
            return False
        entry = line.entry
        if entry.lifts or isinstance(entry.destination, ByArgument):
            return True
        asked = call.asked(entry.tier, entry.effect, "", call.record["server"])
        return self._cell(asked).asks_for_arguments

    def possible(self, call: Recalled) -> Possible:
        """What the policy would say of it."""
        if self.wants_arguments(call):
            return self._possible(call)
        key = (*(call.record.get(name) for name in _ALL_BUT_ARGUMENTS), *call[4:7])
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._possible(call)
        return found

    def _possible(self, call: Recalled) -> Possible:
        doubts: dict[str, None] = {}
        found = frozenset(self._own(call, doubts) if call.own else self._agents(call, doubts))
        old, same = call.answer, call.record["policy_version"] == self._policy.version
        if same and old and any(_fits(each, old) for each in found):
            # The same policy says the same: of all the ways it was one that leads to what was said.
            found = frozenset({old})
        return Possible(found, tuple(doubts))

    def _own(self, call: Recalled, doubts: dict[str, None]) -> Iterator[Answer]:
        """As errands.py asks."""
        record = call.record
        server = self._companions.get(record["server"], record["server"])
        unknown = call._replace(level=Level.UNKNOWN.value, guard=None)
        asked = unknown.asked(Tier.ADMIN, Effect.DESTROY, record["destination"], server)
        return self._decided(unknown, asked, doubts)

    def _agents(self, call: Recalled, doubts: dict[str, None]) -> Iterator[Answer]:
        if call.nameless:
            doubts["its name"] = None
            yield from EITHER
            return
        line = self._line(call.target)
        if isinstance(line, Answer):
            yield line
            return
        destination = self._destination(line, call)
        if destination is None:
            doubts["destination"] = None
            yield from EITHER
        elif isinstance(destination, Answer):
            yield destination
        else:
            for tier, effect in self._lifted(line, call, doubts):
                asked = call.asked(tier, effect, destination, call.record["server"])
                yield from self._served(call, asked, doubts)

    def _line(self, target: Target) -> Line | Answer:
        found = self._lines.get(target)
        if found is None:
            try:
                found = self._policy.classifier.line(target)
            except Refused as no:
                found = Answer(False, no.reason)
            self._lines[target] = found
        return found

    def _destination(self, line: Line, call: Recalled) -> str | Answer | None:
        """None: it cannot be told."""
        by = line.entry.destination
        if isinstance(by, ByArgument) and call.hides(by.argument):
            return None
        try:
            arguments = {} if call.arguments is HIDDEN else call.arguments
            return self._policy.classifier.destination(line, call.record["server"], arguments)
        except Refused as no:
            return Answer(False, no.reason, str(no.where))

    def _lifted(
        self, line: Line, call: Recalled, doubts: dict[str, None]
    ) -> Iterator[tuple[Tier, Effect]]:
        """Every class it could have."""
        ways = {(line.entry.tier, line.entry.effect): None}
        for rule in line.entry.lifts:
            hidden = call.hides(rule.argument)
            if hidden:
                doubts[f"argument {rule.argument}"] = None
            elif not classify.applies(rule, call.arguments, call.record):
                continue
            raised = {classify.lifted(rule, *way): None for way in ways}
            ways = {**ways, **raised} if hidden else raised
        yield from ways

    def _served(
        self, call: Recalled, asked: AccessRequest, doubts: dict[str, None]
    ) -> Iterator[Answer]:
        """Whether its tier is served where it came in; what its token named is known for one tier only."""
        refused, old = Answer(False, Reason.OTHER_TIER), call.answer
        if asked.tier not in endpoint_at(call.record["endpoint"]).tiers:
            yield refused
            return
        if call.record["tier"] != asked.tier:
            doubts["the tiers of its token"] = None
            yield refused
        elif old is not None and old.rule == Reason.OTHER_TIER:
            yield refused
            return
        for answer in self._decided(call, asked, doubts):
            if not answer.permitted or asked.tier in self._policy.intents.standing:
                yield answer
                continue
            if not call.granted:  # its role alone is not enough
                yield Answer(False, Reason.GRANT_NEEDED)
            if call.granted is None:
                doubts["its grant"] = None
            if call.granted is not False:
                yield answer

    def _decided(
        self, call: Recalled, asked: AccessRequest, doubts: dict[str, None]
    ) -> Iterator[Answer]:
        answers = [*self._by_rules(call, asked, doubts)]
        for tool in self._policy.pdp.index.spellings.others_of(asked.tool):
            other = replace(asked, tool=tool)
            more = [*self._by_rules(call, other, doubts, allowed=True)]
            answers = [_both(one, other) for one in answers for other in more]
        yield from answers

    def _by_rules(
        self,
        call: Recalled,
        asked: AccessRequest,
        doubts: dict[str, None],
        *,
        allowed: bool = False,
    ) -> Iterator[Answer]:
        cell = self._cell(asked)
        seen: set[Outcomes] = set()
        for outcomes in self._outcomes(cell, call, asked, doubts):
            if outcomes is None:
                yield from EITHER
                return
            if outcomes not in seen:
                seen.add(outcomes)
                yield self._answer(cell, asked, outcomes, allowed)

    def _cell(self, asked: AccessRequest) -> _Cell:
        key = (asked.tier, asked.server, asked.tool, asked.subject, asked.tenant)
        cell = self._cells.get(key)
        if cell is None:
            plan = self._policy.pdp.verdicts.plan(asked)
            asking = [self._policy.conditions[name] for name in plan.named]
            level = any(condition.asks_for_level for condition in asking)
            arguments = any(condition.arguments for condition in asking)
            cell = self._cells[key] = _Cell(plan, level, arguments)
        return cell

    def _answer(
        self, cell: _Cell, asked: AccessRequest, outcomes: Outcomes, allowed: bool
    ) -> Answer:
        key = (asked.intent, asked.destination, outcomes, allowed)
        answer = cell.answers.get(key)
        if answer is None:
            answer = cell.answers[key] = self._asked(cell, asked, outcomes, allowed)
        return answer

    def _asked(
        self, cell: _Cell, asked: AccessRequest, outcomes: Outcomes, allowed: bool
    ) -> Answer:
        try:
            said = self._policy.pdp.given(cell.plan, asked, outcomes, allowed=allowed)
        except Exception:
            return Answer(False, Reason.DECISION_FAILED)
        return Answer.of(said)

    def _outcomes(
        self, cell: _Cell, call: Recalled, asked: AccessRequest, doubts: dict[str, None]
    ) -> Iterator[Outcomes | None]:
        """Every way its conditions could come out; None: too many."""
        named = cell.plan.named
        if not named:
            yield NOTHING
            return
        known = self._policy.conditions
        hidden = [name for name in named if any(map(call.hides, known[name].arguments))]
        sure = [name for name in named if name not in hidden] if hidden else named
        doubts.update({f"condition {name}": None for name in hidden})
        levels = [(asked.level, asked.guard)]
        if asked.level is None and cell.asks_for_level:
            doubts["its level"] = None
            levels = list(product([level.value for level in Level], GUARDS))
        if 3 ** len(hidden) * len(levels) > MAX_WAYS:
            yield None
            return
        for level, guard in levels:
            again = replace(asked, level=level, guard=guard) if len(levels) > 1 else asked
            held, doubted = conditions.sort(known, sure, again)
            for truths in product((True, False, None), repeat=len(hidden)):
                told = dict(zip(hidden, truths, strict=True))
                yield (
                    held | {name for name in hidden if told[name] is True},
                    doubted | {name for name in hidden if told[name] is None},
                )


def _fits(answer: Answer, old: Answer) -> bool:
    """Could it be what was said? Of what was refused after the policy permitted it, the rule is not on record."""
    rules = ("", answer.rule)
    return answer.permitted is old.permitted and (old.rule in rules or answer in EITHER)


def _both(one: Answer, other: Answer) -> Answer:
    """As the snapshot takes two spellings of one resource together."""
    if not one.permitted:
        return one
    if not other.permitted:
        return other
    return one._replace(duties=(one.duties or frozenset()) | (other.duties or frozenset()))
