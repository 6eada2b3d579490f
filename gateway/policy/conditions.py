"""constraints.yaml: named conditions over a call's arguments, for the `when` column of policy.csv.

    conditions:
      short_message:
        arguments:
          message: {type: string, maxLength: 500}

      can_be_undone:
        level: {at_least: set_exact}
        guard: {at_least: locked-check}

A condition holds if all it says holds. Level and guard are known only when what the call would overwrite
has been read; until then a condition that asks for them is open (decide.py). It cannot be told (None)
when an argument is missing or of the wrong type, or when looking raises: an allow rule then does not
match, and a deny rule does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from gateway.config import yamlfile
from gateway.config.yamlfile import Strict
from gateway.core.model import AccessRequest, Effect, JsonObject
from gateway.core.reverse import GUARDS, Guard, Level
from gateway.files.listing import is_there
from gateway.policy import pointers
from gateway.policy.fragments import Fragment, judge
from gateway.policy.predicates import Facts, Truth, every

_NAME = r"^[a-z][a-z0-9_]{0,62}$"


class LevelRange(Strict):
    """How far the call can be undone. `unknown` is below all others, `noop` and `read` above."""

    at_least: Level | None = None
    below: Level | None = None

    @model_validator(mode="after")
    def _says_something(self) -> LevelRange:
        if (self.at_least is None) is (self.below is None):
            raise ValueError("give either at_least or below")
        return self

    def holds(self, level: Level) -> bool:
        """Is this level in the range?"""
        if self.at_least is not None:
            return level.rank >= self.at_least.rank
        return self.below is not None and level.rank < self.below.rank


class GuardRange(Strict):
    """What protects a later writer from the undo: none < check-then-act < locked-check < cas."""

    at_least: Guard

    def holds(self, guard: str) -> bool:
        """Is this guard at least that strong? One nobody knows is none."""
        return guard in GUARDS and GUARDS.index(guard) >= GUARDS.index(self.at_least)


class Condition(Strict):
    """All clauses must hold."""

    arguments: dict[str, Fragment] = Field(default_factory=dict)
    """By name or JSON pointer."""
    effect: tuple[Effect, ...] | None = None
    """The call's effect is one of these."""
    level: LevelRange | None = None
    guard: GuardRange | None = None
    """A read needs no guard: it passes."""

    @property
    def asks_for_level(self) -> bool:
        """Does it say anything that is known only once the pre-image is?"""
        return self.level is not None or self.guard is not None

    @field_validator("arguments")
    @classmethod
    def _named(cls, arguments: dict[str, Fragment]) -> dict[str, Fragment]:
        for name in arguments:
            pointers.steps(name)
        return arguments

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.arguments and not self.effect and not self.asks_for_level:
            raise ValueError("says nothing: give arguments, effect, level or guard")
        return self


class _File(Strict):
    conditions: dict[Annotated[str, Field(pattern=_NAME)], Condition] = Field(default_factory=dict)


def read(path: Path) -> Mapping[str, Condition]:
    """The conditions by name; none if there is no such file. Raises `Misconfigured` at file:line."""
    return yamlfile.load(path, _File).conditions if is_there(path) else {}


def facts_of(question: AccessRequest) -> Facts:
    """What `equals` may compare with."""
    return {
        "agent": question.subject,
        "tenant": question.tenant,
        "intent": question.intent,
        "task": question.task,
        "on_behalf_of": question.on_behalf_of,
    }


def holds(condition: Condition, question: AccessRequest) -> Truth:
    """Does it hold for this call? `question.arguments` None (a list) is the caller's business, not ours."""
    try:
        return every(_clauses(condition, question, question.arguments or {}))
    except Exception:
        # The text looked at is an agent's: whatever it breaks in here is a doubt, not an answer.
        return None


def _clauses(
    condition: Condition, question: AccessRequest, arguments: JsonObject
) -> Iterator[Truth]:
    if condition.effect is not None:
        yield question.effect in condition.effect
    if condition.asks_for_level:
        yield _undoable(condition, question)
    facts = facts_of(question)
    for name, fragment in condition.arguments.items():
        value = pointers.look_up(arguments, name)
        yield None if value is pointers.MISSING else judge(fragment, value, facts)


def _undoable(condition: Condition, question: AccessRequest) -> Truth:
    """None while the level is not known."""
    if question.level is None:
        return None
    level = Level(question.level)
    if condition.level is not None and not condition.level.holds(level):
        return False
    if condition.guard is None or level is Level.READ:
        return True
    return condition.guard.holds(question.guard or "none")


def is_open(condition: Condition, question: AccessRequest) -> bool:
    """In a list: is nothing but arguments that nobody knows yet in the way of it?"""
    facts = facts_of(question)
    if any(each.equals and not facts[each.equals] for each in condition.arguments.values()):
        return False
    rest = condition.model_copy(update={"arguments": {}})
    return holds(rest, question) is not False


def could_hold(condition: Condition, question: AccessRequest) -> bool:
    """With the level not known yet: does all the rest of it hold?"""
    rest = condition.model_copy(update={"level": None, "guard": None})
    return holds(rest, question) is True


def sort(
    known: Mapping[str, Condition], named: Iterable[str], question: AccessRequest
) -> tuple[frozenset[str], frozenset[str]]:
    """The named conditions that hold, and those that cannot be told. An unknown name cannot be told."""
    held: set[str] = set()
    doubted: set[str] = set()
    for name in named:
        condition = known.get(name)
        truth = None if condition is None else holds(condition, question)
        if truth is not False:
            (held if truth else doubted).add(name)
    return frozenset(held), frozenset(doubted)
