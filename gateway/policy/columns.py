"""The finite world two policies speak of: the words in either, one more for each pattern, one for all others.

Words that the same rules match are one class: whatever is asked of one is answered to all. It matches with
the engine's own functions, and decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.core.model import Tier
from gateway.policy import engine, patterns
from gateway.policy.classify import LOCAL
from gateway.policy.patterns import ANY
from gateway.policy.reach import Reach, own, reaches
from gateway.policy.rules import Rule
from gateway.policy.snapshot import PolicySnapshot
from gateway.values import Value

FRESH: Final = "~other"
"""A word no file can hold, where names are spelt by an alphabet; and part of those that are not."""


class Class(Value):
    """Words of one column that no rule of either policy tells apart."""

    mask: int
    """Bit n: rule n matches them; above the rules, what tiers.yaml makes reachable."""
    labels: tuple[str, ...]
    word: str
    """One of them, to ask with."""


Column = Sequence[Class]


class Who(Value):
    """An agent's tenant and its roles under either policy."""

    label: str
    tenant: str
    before: frozenset[str]
    after: frozenset[str]


class World(Value):
    """The columns by name: who, server, tier, tool, intent, destination; and which bits stand for what."""

    columns: Mapping[str, Column]
    rules: int
    """The bits of the rules: first those of the old policy, then those of the new."""
    there: int
    """The bits of what is there to be called, under either policy."""


def world(old: PolicySnapshot, new: PolicySnapshot) -> World:
    """Of both policies."""
    both = (old, new)
    rules = [rule for policy in both for rule in policy.book.rules]
    there = [reach for policy in both for reach in (*reaches(policy), *own(policy))]
    bits = (1 << len(rules)) - 1, ((1 << len(there)) - 1) << len(rules)
    words: dict[str, Iterable[tuple[str, str]]] = {
        "server": _exact(rules, "server", (name for policy in both for name in policy.tiers)),
        "tier": [(str(tier), str(tier)) for tier in Tier],
        "tool": _tools(rules, there),
        "intent": _exact(rules, "intent", (name for p in both for name in p.intents.ceilings)),
        "destination": _destinations(rules, there),
    }
    found: dict[str, Column] = {"who": _who(old, new, bits[1])}
    for column, named in words.items():
        more = partial(_spelt, both) if column == "tool" else None
        found[column] = _classes(rules, there, column, named, more)
    return World(found, *bits)


_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "tool": engine.name,
    "destination": engine.host,
}
_THERE: Final[Mapping[str, Callable[[Reach, str], bool]]] = {
    "server": lambda reach, word: reach.server == word,
    "tier": lambda reach, word: word in reach.tiers,
    "tool": lambda reach, word: reach.names.matches(word),
    "intent": lambda reach, word: True,
    "destination": lambda reach, word: reach.destination.matches(word),
}


def _classes(
    rules: Sequence[Rule],
    there: Sequence[Reach],
    column: str,
    words: Iterable[tuple[str, str]],
    more: Callable[[str], int] | None = None,
) -> Column:
    """`words`: label and the word to ask with. `more`: bits a word has beside those its own text gives it."""
    test = _TESTS.get(column, engine.one)
    texts = defaultdict[str, int](int)
    for number, rule in enumerate(rules):
        texts[getattr(rule.row, column)] |= 1 << number
    grouped: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for label, word in dict(words).items():
        mask = more(word) if more else 0
        for text, bits in texts.items():
            if test(word, text):
                mask |= bits
        for number, reach in enumerate(there, len(rules)):
            mask |= _THERE[column](reach, word) << number
        grouped[mask].append((label, word))
    return [
        Class(mask, tuple(label for label, _ in found), found[0][1])
        for mask, found in grouped.items()
    ]


def _spelt(both: Sequence[PolicySnapshot], word: str) -> int:
    """The rules that close or bind another spelling of it: they do it, too."""
    mask = before = 0
    for policy in both:
        others = policy.pdp.index.spellings.others_of(word)
        for number, rule in enumerate(policy.book.rules if others else (), before):
            if not rule.allows and any(map(patterns.names(rule.row.tool).matches, others)):
                mask |= 1 << number
        before += len(policy.book.rules)
    return mask


def _exact(rules: Sequence[Rule], column: str, more: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in sorted({getattr(rule.row, column) for rule in rules} | set(more)):
        if word != ANY:
            yield word, word
    yield "any other", FRESH


def _tools(rules: Sequence[Rule], there: Sequence[Reach]) -> Iterator[tuple[str, str]]:
    found = [patterns.names(rule.row.tool) for rule in rules]
    found += [reach.names for reach in there]
    for name in sorted({name for each in found for name in each.exact}):
        yield name, name
    for prefix in sorted({prefix for each in found for prefix in each.prefixes} | {""}):
        yield f"{prefix}* (any other)" if prefix else "any other", f"{prefix}{FRESH}"


def _destinations(rules: Sequence[Rule], there: Sequence[Reach]) -> Iterator[tuple[str, str]]:
    found = [patterns.hosts(rule.row.destination) for rule in rules]
    found += [reach.destination for reach in there]
    for host in sorted({host for each in found for host in each.exact} | {LOCAL}):
        yield host, host
    for suffix in sorted({suffix for each in found for suffix in each.suffixes} | {""}):
        yield f"*{suffix} (any other)" if suffix else "any other", f"{FRESH}{suffix}"


def _who(old: PolicySnapshot, new: PolicySnapshot, there: int) -> Column:
    grouped: dict[int, list[str]] = defaultdict(list)
    for who in _people(old, new):
        mask = _matched(old.book.rules, who.tenant, who.before, 0)
        mask |= _matched(new.book.rules, who.tenant, who.after, len(old.book.rules))
        grouped[mask].append(who.label)
    return [Class(mask | there, tuple(labels), labels[0]) for mask, labels in grouped.items()]


def _matched(rules: Sequence[Rule], tenant: str, roles: frozenset[str], shift: int) -> int:
    mask = 0
    for number, rule in enumerate(rules, shift):
        role = rule.row.role
        if engine.one(tenant, rule.row.tenant) and (role == ANY or role in roles):
            mask |= 1 << number
    return mask


def _people(old: PolicySnapshot, new: PolicySnapshot) -> Iterator[Who]:
    """Each role by itself, each agent with all its roles, and whoever has none, in every tenant."""
    both = (old, new)
    rules = [rule for policy in both for rule in policy.book.rules]
    members = [member for policy in both for member in policy.book.members]
    tenants = {rule.row.tenant for rule in rules} | {member.tenant for member in members}
    roles = sorted({rule.row.role for rule in rules} - {ANY})
    for tenant in [*sorted(tenants - {ANY}), FRESH]:
        where = "any other tenant" if tenant == FRESH else tenant
        yield Who(f"anybody else in {where}", tenant, frozenset(), frozenset())
        for role in roles:
            yield Who(f"{role} in {where}", tenant, frozenset({role}), frozenset({role}))
    for agent, tenant in sorted({(member.agent, member.tenant) for member in members}):
        before, after = (policy.pdp.index.roles(agent, tenant) for policy in both)
        yield Who(f"{agent} in {tenant}", tenant, before, after)
