"""policy.csv, read strictly by Bulkhead itself: Casbin's own reader drops what it does not know.

    p, id, tier, server, tool, role, tenant, intent, destination, when, effect
    g, agent:<name>, role:<role>, <tenant>

Effects: `allow` (ids P...) and `deny` (D...) decide. `approve` and `hold:<seconds>` (O...) decide nothing:
they lay a duty on every call they match that another rule allows. `would-deny` (W...) is a deny on trial: it
is told of such a call, and changes nothing.

Every line is a comment, blank, a rule or a membership; anything else stops the start at file:line. It
knows the shape of a rule and which names exist, and decides nothing.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, Literal, TypeVar

from gateway.config import issuers
from gateway.config.yamlfile import bytes_of
from gateway.core.model import Tier
from gateway.errors import Misconfigured, Where
from gateway.policy import engine, patterns
from gateway.settings import SERVER_ID
from gateway.values import Value

MAX_BYTES: Final = 16 * 1024 * 1024
_SHOWN: Final = 40
"""Characters of what begins no line that are told."""

RULE_COLUMNS: Final = (
    "id",
    "tier",
    "server",
    "tool",
    "role",
    "tenant",
    "intent",
    "destination",
    "when",
    "effect",
)
MEMBER_COLUMNS: Final = ("agent", "role", "tenant")

_RULE_ID: Final = re.compile(r"[A-Z][A-Za-z0-9_.-]{1,31}")
Word = Literal["allow", "deny", "approve", "hold", "would-deny"]
_INITIALS: Final[dict[Word, str]] = {
    "allow": "P",
    "deny": "D",
    "approve": "O",
    "hold": "O",
    "would-deny": "W",
}
_HOLD: Final = re.compile(r"hold:([1-9][0-9]{0,6})")
AGENT: Final = re.compile(
    rf"agent:{issuers.AGENT.pattern}|operator:[A-Za-z0-9][A-Za-z0-9._:/@-]{{0,254}}"
)
"""Who can stand in a `g` line: names that tokens can carry, and operators'."""
_ROLE: Final = re.compile(r"role:[a-z0-9][a-z0-9_.-]{0,62}")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NOT_IN_ALLOW: Final = ("tier", "server", "role", "tenant", "intent")
"""Columns where an allow may not say `*`."""


class Rule(Value):
    """One `p` line, and where it stands."""

    row: engine.Row
    """As Casbin gets it. What decides nothing is matched like a deny: it applies unless a condition is known
    not to hold."""
    where: Where
    word: Word
    seconds: int
    """How long a hold lasts; 0 for every other word."""

    @property
    def effect(self) -> str:
        """As the file has it."""
        return f"hold:{self.seconds}" if self.word == "hold" else self.word

    @property
    def decides(self) -> bool:
        return self.word in ("allow", "deny")

    @property
    def duty(self) -> Literal["approve", "hold"] | None:
        """What it demands of a permitted call; None for a rule that is no duty."""
        return self.word if self.word in ("approve", "hold") else None

    @property
    def on_trial(self) -> bool:
        """Would deny, and does not."""
        return self.word == "would-deny"

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def allows(self) -> bool:
        return self.row.effect == "allow"

    @property
    def conditions(self) -> frozenset[str]:
        return engine.conditions(self.row.when)

    def covers(self, narrow: Rule) -> bool:
        """Of tools and destinations: does it match whatever the other one does?"""
        mine, other = self.row, narrow.row
        return patterns.names(mine.tool).covers(patterns.names(other.tool)) and patterns.hosts(
            mine.destination
        ).covers(patterns.hosts(other.destination))


class Member(Value):
    """One `g` line: this agent has this role in this tenant. Roles have no roles."""

    agent: str
    role: str
    tenant: str
    where: Where


class Rulebook(Value):
    """policy.csv, whole."""

    rules: tuple[Rule, ...]
    members: tuple[Member, ...]


def read(path: Path, servers: Collection[str], conditions: Collection[str]) -> Rulebook:
    """The rules in the file. Raises `Misconfigured` at the line of the first thing that is wrong.

    `servers`: every id tiers.yaml or bulkhead.yaml has. `conditions`: every name in constraints.yaml.
    """
    rules: dict[str, Rule] = {}
    members: dict[tuple[str, str, str], Member] = {}
    for number, fields in _lines(path):
        where = Where(str(path), number)
        try:
            if fields[0] == "p":
                rule = _rule(fields[1:], where, servers, conditions)
                _once(rules, rule.id, rule)
            elif fields[0] == "g":
                member = Member(*_membership(fields[1:]), where)
                _once(members, (member.agent, member.role, member.tenant), member)
            else:
                raise ValueError(f"a line starts with p or g, not {fields[0][:_SHOWN]!r}")
        except ValueError as problem:
            raise Misconfigured(str(problem), where) from None
    book = Rulebook(tuple(rules.values()), tuple(members.values()))
    _check_roles(book)
    return book


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and trimmed fields of every line that is not blank and not a comment."""
    raw = bytes_of(path, MAX_BYTES)
    for number, line in enumerate(raw.replace(b"\r\n", b"\n").split(b"\n"), 1):
        text = line.decode("latin-1")
        if not text.replace("\t", " ").isprintable() or not text.isascii():
            # Look-alike letters and text that runs backwards have no place in a policy, comments included.
            hint = "the file begins with a byte order mark" if line.startswith(BOM_UTF8) else ""
            raise Misconfigured("not plain, printable ASCII", Where(str(path), number), hint)
        stripped = text.strip()
        if stripped.startswith("#") or not stripped:
            continue
        for sign, name in (("#", "a comment needs a line of its own"), ('"', "no quotes here")):
            if sign in stripped:
                raise Misconfigured(f"{sign} inside a rule: {name}", Where(str(path), number))
        yield number, [field.strip() for field in stripped.split(",")]


Key = TypeVar("Key")
Placed = TypeVar("Placed", Rule, Member)


def _once(table: dict[Key, Placed], key: Key, entry: Placed) -> None:
    if key in table:
        raise ValueError(f"{key} is there already, at line {table[key].where.line}")
    table[key] = entry


def _arity(fields: list[str], columns: tuple[str, ...]) -> None:
    if len(fields) != len(columns):
        raise ValueError(f"{len(fields)} fields where {len(columns)} belong: {', '.join(columns)}")
    for column, field in zip(columns, fields, strict=True):
        if not field:
            raise ValueError(f"{column} is empty")


def _rule(
    fields: list[str], where: Where, servers: Collection[str], conditions: Collection[str]
) -> Rule:
    _arity(fields, RULE_COLUMNS)
    row = engine.Row(*fields)
    word, seconds = _effect(row.effect)
    if not _RULE_ID.fullmatch(row.id) or row.id[0] != _INITIALS[word]:
        said = "allow rules are named P..., deny rules D..., duties O..., would-deny rules W..."
        raise ValueError(f"id {row.id!r}: {said}")
    _check_row(row, servers, conditions)
    return Rule(row if word == "allow" else row._replace(effect="deny"), where, word, seconds)


def _effect(text: str) -> tuple[Word, int]:
    """The word, and the seconds of a hold."""
    held = _HOLD.fullmatch(text)
    if held:
        return "hold", int(held[1])
    for word in _INITIALS:
        if text == word != "hold":
            return word, 0
    raise ValueError(
        f"effect is {text!r}: exactly allow, deny, approve, hold:<seconds> or would-deny"
    )


def _check_row(row: engine.Row, servers: Collection[str], conditions: Collection[str]) -> None:
    if row.effect == "allow":
        for column in NOT_IN_ALLOW:
            if getattr(row, column) == patterns.ANY:
                raise ValueError(f"{column} is *: an allow names it; only a deny may say any")
    _check_words(row, servers)
    patterns.names(row.tool)
    patterns.hosts(row.destination)
    _check_conditions(row.when, conditions)


def _check_words(row: engine.Row, servers: Collection[str]) -> None:
    """Each column by its own alphabet; `*` has been judged before."""
    tests: dict[str, Callable[[str], object]] = {
        "tier": tuple(Tier).__contains__,
        "server": SERVER_ID.fullmatch,
        "role": _ROLE.fullmatch,
        "tenant": _WORD.fullmatch,
        "intent": _WORD.fullmatch,
    }
    for column, good in tests.items():
        word = getattr(row, column)
        if word != patterns.ANY and not good(word):
            raise ValueError(f"{word!r} is no {column}")
    if row.server != patterns.ANY and row.server not in servers:
        raise ValueError(f"server {row.server!r} is neither in tiers.yaml nor in bulkhead.yaml")


def _check_conditions(text: str, known: Collection[str]) -> None:
    if text == engine.NONE:
        return
    names = text.split("&")
    for name in names:
        if name not in known:
            raise ValueError(f"condition {name!r} is not in constraints.yaml")
    if len(set(names)) != len(names):
        raise ValueError(f"{text!r} names a condition twice")


def _membership(fields: list[str]) -> tuple[str, str, str]:
    _arity(fields, MEMBER_COLUMNS)
    agent, role, tenant = fields
    if agent.startswith("role:"):
        # Casbin gives up silently on deep chains, and then a deny on the far role does not apply.
        raise ValueError(f"{agent} in {role}: roles have no roles, give the agent both")
    if not AGENT.fullmatch(agent):
        raise ValueError(f"{agent!r} is no agent: write agent:<name>, small letters")
    if not _ROLE.fullmatch(role):
        raise ValueError(f"{role!r} is no role: write role:<name>")
    if not _WORD.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is no tenant")
    return agent, role, tenant


def _check_roles(book: Rulebook) -> None:
    """A role on one side only is a misspelt role, and a misspelt role in a deny lets the call through."""
    given = {member.role for member in book.members}
    used = {rule.row.role for rule in book.rules}
    for rule in book.rules:
        if rule.row.role != patterns.ANY and rule.row.role not in given:
            raise Misconfigured(f"no agent has {rule.row.role}: no g line names it", rule.where)
    for member in book.members:
        if member.role not in used:
            raise Misconfigured(f"no rule names {member.role}", member.where)
