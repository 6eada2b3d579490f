"""What two policies decide otherwise: over every who, server, tier, tool, intent and destination they tell apart.

Each cell of that product is asked of both, with the conditions of its rules coming out in every way. A
condition whose text is another counts as another condition. What is reported is a decision (allowed, denied,
its duties), never a rule's name alone. Conditions are taken to be independent: where two exclude each other
it may report what no call gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

from gateway.config.yamlfile import same
from gateway.core.model import AccessRequest, Effect, Tier
from gateway.policy.columns import Class, Column, world
from gateway.policy.engine import Verdict
from gateway.policy.patterns import ANY
from gateway.policy.predicates import Truth
from gateway.policy.rules import Rule
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.verdicts import Outcomes, asked
from gateway.values import Value

ORDER: Final = ("who", "server", "tier", "tool", "intent", "destination")
MAX_CONDITIONS: Final = 7
"""More than that in one cell are not gone through: it is reported as one that may differ."""

Cell = tuple[frozenset[str], ...]
"""The words of each column, in the order of `ORDER`."""
Said = tuple[str, str, str]
"""Answer (`allowed`, `denied`, with its duties), rule and place."""


class Change(Value):
    """One decision that is another, and where: the words of each column."""

    old: Said
    new: Said
    when: str
    """How conditions must come out for it; empty: however."""
    cells: tuple[tuple[str, ...], ...]
    """In the order of `ORDER`."""


def diff(old: PolicySnapshot, new: PolicySnapshot) -> Sequence[Change]:
    """All of policy.csv and the conditions it names; by old and new rule, in the order of the files."""
    return _Diff(old, new).changes()


class _Diff:
    def __init__(self, old: PolicySnapshot, new: PolicySnapshot) -> None:
        self._both = (old, new)
        self._world = world(old, new)
        self._rules = [*old.book.rules, *new.book.rules]
        self._split = len(old.book.rules)
        self._names = [self._variables(rule, side) for side in (0, 1) for rule in self._side(side)]
        texts: dict[object, int] = {}
        self._content = [
            texts.setdefault((rule.row, rule.word, rule.seconds, self._names[number]), len(texts))
            for number, rule in enumerate(self._rules)
        ]
        self._same: dict[int, bool] = {}
        self._found: dict[int, Mapping[tuple[Said, Said], str]] = {}

    def changes(self) -> Sequence[Change]:
        grouped: dict[tuple[Said, Said, str], list[Cell]] = {}
        for cell in self._cells(0, -1, ()):
            mask = self._world.rules
            for each in cell:
                mask &= each.mask
            for (before, after), when in self._differ(mask, cell).items():
                labels = tuple(frozenset(each.labels) for each in cell)
                grouped.setdefault((before, after, when), []).append(labels)
        return [
            Change(before, after, when, self._shown(cell))
            for (before, after, when), cells in grouped.items()
            for cell in merged(cells)
        ]

    def _side(self, side: int) -> Sequence[Rule]:
        return self._both[side].book.rules

    def _variables(self, rule: Rule, side: int) -> frozenset[str]:
        """Its conditions; one that reads otherwise in the other policy has a name for each."""
        mine, other = self._both[side].conditions, self._both[1 - side].conditions
        return frozenset(
            name if same(mine[name], other.get(name, mine[name])) else f"{name} ({_SIDES[side]})"
            for name in rule.conditions
        )

    def _cells(self, depth: int, mask: int, path: tuple[Class, ...]) -> Iterator[tuple[Class, ...]]:
        """Every cell whose rules are not the same in both: what is the same of more is the same of less."""
        rules = mask & self._world.rules
        if not rules or not mask & self._world.there or (depth and self._alike(rules)):
            return
        if depth == len(ORDER):
            yield path
            return
        for each in self._world.columns[ORDER[depth]]:
            yield from self._cells(depth + 1, mask & each.mask, (*path, each))

    def _alike(self, mask: int) -> bool:
        if mask not in self._same:
            before, after = self._parts(mask)
            self._same[mask] = [self._content[n] for n in before] == [
                self._content[n] for n in after
            ]
        return self._same[mask]

    def _parts(self, mask: int) -> tuple[list[int], list[int]]:
        numbers = [number for number in range(len(self._rules)) if mask >> number & 1]
        return [n for n in numbers if n < self._split], [n for n in numbers if n >= self._split]

    def _differ(self, mask: int, cell: Sequence[Class]) -> Mapping[tuple[Said, Said], str]:
        if mask not in self._found:
            self._found[mask] = self._compared(mask, cell)
        return self._found[mask]

    def _compared(self, mask: int, cell: Sequence[Class]) -> Mapping[tuple[Said, Said], str]:
        parts = self._parts(mask)
        named = sorted({name for part in parts for n in part for name in self._names[n]})
        if len(named) > MAX_CONDITIONS:
            unclear = ("not gone through: too many conditions", "", "")
            return {(unclear, unclear): " ".join(named)}
        ways: dict[tuple[Said, Said], list[tuple[Truth, ...]]] = {}
        for truths in product((True, False, None), repeat=len(named)):
            told = dict(zip(named, truths, strict=True))
            said = (
                self._said(0, parts[0], cell, told),
                self._said(1, parts[1], cell, told),
            )
            if said[0][0] != said[1][0]:
                ways.setdefault(said, []).append(truths)
        return {said: _when(named, truths) for said, truths in ways.items()}

    def _said(
        self, side: int, part: Sequence[int], cell: Sequence[Class], told: Mapping[str, Truth]
    ) -> Said:
        rules = [self._rules[number] for number in part if not self._rules[number].on_trial]
        names = {name for number in part for name in self._names[number]}
        outcomes = _outcomes({name: truth for name, truth in told.items() if name in names})
        question = asked(_question(cell), outcomes)

        def ask(some: Sequence[Rule]) -> Verdict:
            # That the role is had in this tenant, and that a spelling of the tool is meant, is settled: by the columns.
            rows = [rule.row._replace(role=ANY, tenant=ANY, tool=ANY) for rule in some]
            return self._both[side].pdp.verdicts.engine.ask(rows, question)

        verdict = ask([rule for rule in rules if rule.decides])
        place = next((str(rule.where) for rule in rules if rule.id == verdict.rule), "")
        if not verdict.permitted:
            return "denied", verdict.rule or "no_rule", place
        words = {rule.effect for rule in rules if rule.duty and ask([rule]).rule}
        duties = f" with {' '.join(sorted(words))}" if words else ""
        return f"allowed{duties}", verdict.rule or "", place

    def _shown(self, cell: Cell) -> tuple[tuple[str, ...], ...]:
        """A column that is whole is `*`."""
        return tuple(
            (ANY,) if labels == _labels(self._world.columns[name]) else tuple(sorted(labels))
            for name, labels in zip(ORDER, cell, strict=True)
        )


_SIDES: Final = ("as it was", "as it will be")


def _labels(column: Column) -> frozenset[str]:
    return frozenset(label for each in column for label in each.labels)


def _outcomes(told: Mapping[str, Truth]) -> Outcomes:
    return (
        frozenset(name.partition(" ")[0] for name, truth in told.items() if truth is True),
        frozenset(name.partition(" ")[0] for name, truth in told.items() if truth is None),
    )


def _question(cell: Sequence[Class]) -> AccessRequest:
    words = {name: each.word for name, each in zip(ORDER, cell, strict=True)}
    return AccessRequest(
        subject="agent:anybody",
        tenant="any",
        intent=words["intent"],
        tier=Tier(words["tier"]),
        server=words["server"],
        tool=words["tool"],
        destination=words["destination"],
        effect=Effect.READ,
        arguments={},
    )


def _when(named: Sequence[str], ways: Sequence[tuple[Truth, ...]]) -> str:
    """What all these ways have in common, condition by condition."""
    words = {
        frozenset({True}): "{} holds",
        frozenset({False}): "{} does not hold",
        frozenset({None}): "{} cannot be told",
        frozenset({True, None}): "{} holds or cannot be told",
        frozenset({False, None}): "{} does not hold for certain",
        frozenset({True, False}): "{} can be told",
    }
    truths = [frozenset(way[at] for way in ways) for at in range(len(named))]
    said = [words[t].format(name) for name, t in zip(named, truths, strict=True) if t in words]
    return ", ".join(said)


def merged(cells: Sequence[Cell]) -> Sequence[Cell]:
    """The same cells in fewer: those that differ in one column only become one, column by column."""
    found = list(dict.fromkeys(cells))
    for at in reversed(range(len(ORDER))):
        grouped: dict[Cell, frozenset[str]] = {}
        for cell in found:
            rest = (*cell[:at], *cell[at + 1 :])
            grouped[rest] = grouped.get(rest, frozenset()) | cell[at]
        found = [(*rest[:at], labels, *rest[at:]) for rest, labels in grouped.items()]
    return found
