"""Which rules could decide a question: cut by tier and server at load, then by role and tool. Look-ups only.

What it leaves out cannot match, so the cost of a decision does not grow with the policy; what it gives
is still asked of Casbin, all columns. The differential test holds it to that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.model import Tier
from gateway.policy import patterns
from gateway.policy.rules import Rule, Rulebook
from gateway.policy.spellings import Written, resources


@dataclass(slots=True)
class _Shelf:
    """The rules of one cell for one role: by exact tool name, and the ones with a prefix."""

    exact: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    prefixed: list[tuple[tuple[str, ...], int]] = field(default_factory=list)

    def add(self, number: int, tool: patterns.Names) -> None:
        for name in tool.exact:
            self.exact[name].append(number)
        if tool.prefixes:
            self.prefixed.append((tool.prefixes, number))

    def find(self, tool: str) -> Iterator[int]:
        yield from self.exact.get(tool, ())
        for prefixes, number in self.prefixed:
            if tool.startswith(prefixes):
                yield number


_Cell = Mapping[str, _Shelf]
"""Role -> its shelf; `*` for rules that name no role."""


class Index:
    """One version of the rules, ready for look-ups. Immutable once built."""

    def __init__(self, book: Rulebook) -> None:
        self._rules = book.rules
        self._cells: dict[tuple[str, str], dict[str, _Shelf]] = {}
        roles: dict[tuple[str, str], set[str]] = defaultdict(set)
        for member in book.members:
            roles[member.agent, member.tenant].add(member.role)
        self._roles = {holder: frozenset(held) for holder, held in roles.items()}
        closing = [patterns.names(rule.row.tool) for rule in book.rules if not rule.allows]
        self.spellings = Written(map(resources, closing))
        """Of resources, also as the rules that close or bind are written."""
        servers = {rule.row.server for rule in book.rules} | {patterns.ANY}
        for number, rule in enumerate(book.rules):
            for key in _keys(rule, servers):
                shelf = self._cells.setdefault(key, {}).setdefault(rule.row.role, _Shelf())
                shelf.add(number, patterns.names(rule.row.tool))

    def roles(self, agent: str, tenant: str) -> frozenset[str]:
        """The roles this agent has in this tenant."""
        return self._roles.get((agent, tenant), frozenset())

    def candidates(self, tier: str, server: str, tool: str, roles: Iterable[str]) -> Sequence[Rule]:
        """Every rule that could match, and few others, in the order of the file."""
        cell = self._cell(tier, server)
        wanted = (cell[role] for role in {*roles, patterns.ANY} if role in cell)
        numbers = {number for shelf in wanted for number in shelf.find(tool)}
        return [self._rules[number] for number in sorted(numbers)]

    def of(self, tier: str, server: str, roles: Iterable[str]) -> Iterator[Rule]:
        """Every rule of a tier and a server that names one of these roles."""
        cell = self._cell(tier, server)
        for shelf in (cell[role] for role in roles if role in cell):
            for numbers in (*shelf.exact.values(), [number for _, number in shelf.prefixed]):
                yield from (self._rules[number] for number in numbers)

    def neighbours(self, tier: str, server: str, tool: str, limit: int) -> Sequence[Rule]:
        """Some rules of the same cell and tool, whoever they are for: to explain a refusal."""
        found: dict[int, None] = {}
        for shelf in self._cell(tier, server).values():
            for number in shelf.find(tool):
                found[number] = None
                if len(found) >= limit:
                    return [self._rules[number] for number in found]
        return [self._rules[number] for number in sorted(found)]

    def _cell(self, tier: str, server: str) -> _Cell:
        """A server no rule names has a cell too: the denies that are for any server."""
        return self._cells.get((tier, server)) or self._cells.get((tier, patterns.ANY)) or {}


def _keys(rule: Rule, servers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The cells a rule belongs to: a deny for any tier or any server stands in each of them."""
    tiers = [str(tier) for tier in Tier] if rule.row.tier == patterns.ANY else [rule.row.tier]
    for tier in tiers:
        for server in servers if rule.row.server == patterns.ANY else [rule.row.server]:
            yield tier, server
