"""Casbin, and the only file that imports it: which of these rules decides this question.

Laws that keep the library safe (each has a test named after the pitfall it closes):
1. The matcher is the pinned one; its functions are ours, Casbin's own are removed.
2. The question is a tuple of non-empty strings; no object, number or callable ever gets in.
3. No rules, no question: Casbin would evaluate its matcher once with every field empty.
4. Casbin reads no file: rules come from rules.py, already checked.
5. Casbin logs nothing: on a deny it would write the whole question.
6. What Casbin answers is checked against the rule it names; any disagreement is an error.

It knows strings only: no tiers, no arguments, no files.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, Final, NamedTuple

import casbin
from casbin.model import FunctionMap, Model

from gateway.policy import patterns

NONE: Final = "-"
"""An empty set of conditions, in the `when` column and in a question."""


class EngineFault(Exception):
    """Casbin answered what it may not, or was asked what it may not be. Always ends as a deny."""


class Row(NamedTuple):
    """A rule as Casbin gets it: the fields of `p` in model.conf, in order."""

    id: str
    tier: str
    server: str
    tool: str
    role: str
    tenant: str
    intent: str
    destination: str
    when: str
    effect: str


class Question(NamedTuple):
    """A question as Casbin gets it: the fields of `r` in model.conf, in order.

    `held` and `doubted` are the names of the conditions that hold and of those nobody could tell,
    sorted, joined by `&`, or `-`. Strings only, so a question is also a cache key.
    """

    tier: str
    server: str
    tool: str
    agent: str
    tenant: str
    intent: str
    destination: str
    held: str
    doubted: str


class Verdict(NamedTuple):
    """Casbin's answer and the id of the rule behind it; None when no rule matched."""

    permitted: bool
    rule: str | None


@lru_cache(maxsize=65_536)
def conditions(text: str) -> frozenset[str]:
    """The names in a `when` column or a set of outcomes."""
    return frozenset() if text == NONE else frozenset(text.split("&"))


def one(value: str, pattern: str) -> bool:
    """Equal, or the rule says `*`."""
    return pattern == patterns.ANY or value == pattern


def name(value: str, pattern: str) -> bool:
    return patterns.names(pattern).matches(value)


def host(value: str, pattern: str) -> bool:
    return patterns.hosts(pattern).matches(value)


def when(text: str, effect: str, held: str, doubted: str) -> bool:
    """An allow needs every condition to hold; a deny applies unless one is known not to hold."""
    needed, sure = conditions(text), conditions(held)
    if effect == "allow":
        return needed <= sure
    return needed <= sure | conditions(doubted)


_SILENT: Final = logging.Logger("casbin.silent", logging.CRITICAL + 1)
"""Stands outside of the logger tree, so that no logging configuration can make it speak."""
_SILENT.disabled = True


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """Casbin's enforcer, with the matcher parsed once: it is fixed, and so are its functions and roles."""

    _parsed: Any = None

    def _get_expression(self, expr: str, functions: Any = None) -> Any:
        if self._parsed is None:
            self._parsed = super()._get_expression(expr, functions)
        return self._parsed


class Engine:
    """One model, one set of role memberships; rules come with each question."""

    def __init__(self, model: str, members: Iterable[tuple[str, str, str]]) -> None:
        """`model`: the text of model.conf. `members`: (agent, role, tenant). Raises `EngineFault`."""
        _quiet()
        loaded = Model()
        loaded.load_model_from_text(model)
        self._enforcer = _Enforcer(loaded)
        _quiet()
        self._enforcer.logger = _SILENT
        self._enforcer.fm = FunctionMap()
        for function in (one, name, host, when):
            self._enforcer.fm.add_function(function.__name__, function)
        roles = self._enforcer.get_role_manager()
        roles.logger = _SILENT
        # A name is equal to itself only. With a function that says so, Casbin tries each name on all others.
        roles.add_matching_func(None)
        for agent, role, tenant in members:
            roles.add_link(agent, role, tenant)
        loaded["g"]["g"].rm = roles
        self._rows = loaded["p"]["p"]
        self._lock = Lock()  # an enforcer is for one thread at a time
        self._prove()

    def ask(self, rows: Sequence[Row], question: Question) -> Verdict:
        """Which of `rows` decides. A deny beats any allow; first row in order among equals.

        Raises `EngineFault`, and whatever Casbin raises: the caller makes a deny of both.
        """
        for field in question:
            if type(field) is not str or not field:
                raise EngineFault("a question must be of non-empty strings")
        if not rows:
            return Verdict(False, None)
        with self._lock:
            # Casbin stops at the first deny and names the last allow that matched, hence the order.
            self._rows.policy = [
                *(row for row in rows if row.effect == "deny"),
                *(row for row in reversed(rows) if row.effect == "allow"),
            ]
            if len(self._rows.policy) != len(rows):
                raise EngineFault("a rule with an effect other than allow or deny")
            permitted, rule = self._enforcer.enforce_ex(*question)
        return _checked(permitted, rule)

    def _prove(self) -> None:
        """Canaries: the library at hand must allow, deny, override and name rules as relied upon."""
        allow = Row("P1", "data", "s", "t", "*", "x", "i", "local", NONE, "allow")
        late = allow._replace(id="P2")
        deny = allow._replace(id="D1", tool="*", when="c", effect="deny")
        question = Question("data", "s", "t", "agent:canary", "x", "i", "local", NONE, NONE)
        for rows, asked, wanted in (
            ([], question, Verdict(False, None)),
            ([allow, late, deny], question, Verdict(True, "P1")),
            ([allow, deny], question._replace(held="c"), Verdict(False, "D1")),
            ([allow, deny], question._replace(doubted="c"), Verdict(False, "D1")),
            ([allow, deny], question._replace(tool="u"), Verdict(False, None)),
            ([allow._replace(role="role:none")], question, Verdict(False, None)),
        ):
            got = self.ask(rows, asked)
            if got != wanted:
                raise EngineFault(f"this casbin answers {got} where {wanted} is right")


def _checked(permitted: object, rule: Sequence[str]) -> Verdict:
    effect, rule_id = (rule[-1], rule[0]) if rule else (None, None)
    if permitted is True and effect == "allow":
        return Verdict(True, rule_id)
    if permitted is False and effect in ("deny", None):
        return Verdict(False, rule_id)
    raise EngineFault(f"permitted={permitted!r} by a rule of effect {effect!r}")


def _quiet() -> None:
    for logger in ("casbin", "casbin.enforcer", "casbin.policy", "casbin.role"):
        logging.getLogger(logger).disabled = True
