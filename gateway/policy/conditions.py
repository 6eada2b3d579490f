"""constraints.yaml: named conditions over a call's arguments, for the `when` column of policy.csv.

    conditions:
      short_message:
        arguments:
          message: {type: string, maxLength: 500}

A condition holds if all it says holds. It cannot be told (None) when an argument is missing or of the
wrong type, or when looking raises: an allow rule then does not match, and a deny rule does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from gateway import yamlfile
from gateway.core.model import AccessRequest, Effect, JsonObject
from gateway.policy import pointers
from gateway.policy.fragments import Fragment, judge
from gateway.policy.predicates import Facts, Truth, every
from gateway.yamlfile import Strict

_NAME = r"^[a-z][a-z0-9_]{0,62}$"


class Condition(Strict):
    """All clauses must hold."""

    arguments: dict[str, Fragment] = Field(default_factory=dict)
    """By name or JSON pointer."""
    effect: tuple[Effect, ...] | None = None
    """The call's effect is one of these."""

    @field_validator("arguments")
    @classmethod
    def _named(cls, arguments: dict[str, Fragment]) -> dict[str, Fragment]:
        for name in arguments:
            pointers.steps(name)
        return arguments

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.arguments and not self.effect:
            raise ValueError("says nothing: give arguments or effect")
        return self


class _File(Strict):
    conditions: dict[Annotated[str, Field(pattern=_NAME)], Condition] = Field(default_factory=dict)


def read(path: Path) -> Mapping[str, Condition]:
    """The conditions by name; none if there is no such file. Raises `Misconfigured` at file:line."""
    return yamlfile.load(path, _File).conditions if path.exists() else {}


def facts_of(question: AccessRequest) -> Facts:
    """What `equals` may compare with."""
    return {
        "agent": question.subject,
        "tenant": question.tenant,
        "intent": question.intent,
        "task": question.task,
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
    facts = facts_of(question)
    for name, fragment in condition.arguments.items():
        value = pointers.look_up(arguments, name)
        yield None if value is pointers.MISSING else judge(fragment, value, facts)


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
