"""Mutants of a policy: one rule flipped, removed or widened, and whether a case of tests.yaml notices.

A rule that can be changed and no case fails is a rule nobody has said what it is for. Made are the
changes the strict reader would let through (only a deny, a duty or a rule on trial may say `*` for tier, server,
role, tenant and intent), and of these the ones that something in tiers.yaml could show. It reads loaded
values only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from gateway.policy import cases, patterns
from gateway.policy.cases import Result
from gateway.policy.engine import NONE
from gateway.policy.index import Index
from gateway.policy.patterns import ANY
from gateway.policy.reach import Reach, meets, own, reaches
from gateway.policy.rules import NOT_IN_ALLOW, Rule, Rulebook, Word
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.verdicts import Verdicts
from gateway.settings import ITSELF
from gateway.values import Value, replace


class Mutant(Value):
    """One rule, changed."""

    rule: Rule
    change: str
    """In a few words: `removed`, `allow -> deny`, `tool -> *`, `without short_message`."""
    instead: Rule | None
    """What stands in its place; None: nothing."""


class Tried(Value):
    """All mutants, and those that no case noticed."""

    mutants: int
    survivors: Sequence[Mutant]


def mutate(policy: PolicySnapshot, results: Sequence[Result]) -> Tried:
    """Try them all. `results`: of the policy's own cases, all of which pass."""
    made = list(mutants(policy))
    return Tried(len(made), [one for one in made if not _noticed(policy, one, results)])


def mutants(policy: PolicySnapshot) -> Iterator[Mutant]:
    """Every change of every rule, in the order of the file."""
    for rule in policy.book.rules:
        yield Mutant(rule, "removed", None)
        yield _flipped(rule)
        for column, change, wide in _wider(rule):
            if _shows(policy, rule, column, wide):
                yield Mutant(rule, change, wide)


def _flipped(rule: Rule) -> Mutant:
    """A deny becomes an allow, and everything else a deny."""
    word: Word = "allow" if rule.word == "deny" else "deny"
    row = rule.row._replace(effect=word)
    return Mutant(rule, f"{rule.effect} -> {word}", replace(rule, row=row, word=word, seconds=0))


def _wider(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    """The column, the change and the rule."""
    columns = ("tool", "destination") if rule.allows else (*NOT_IN_ALLOW, "tool", "destination")
    for column in columns:
        if getattr(rule.row, column) != ANY:
            wide = replace(rule, row=rule.row._replace(**{column: ANY}))
            yield column, f"{column} -> *", wide
    for name in sorted(rule.conditions):
        left = "&".join(sorted(rule.conditions - {name})) or NONE
        yield "when", f"without {name}", replace(rule, row=rule.row._replace(when=left))


def _shows(policy: PolicySnapshot, rule: Rule, column: str, wide: Rule) -> bool:
    """Could any call tell them apart? Who asks, for what and with what is up to the caller; what there is
    to call is not."""
    row = rule.row
    beyond: dict[str, Callable[[Reach], bool]] = {
        "tier": lambda reach: reach.tiers != {row.tier},
        "server": lambda reach: reach.server != row.server,
        "tool": lambda reach: not patterns.names(row.tool).covers(reach.names),
        "destination": lambda reach: not patterns.hosts(row.destination).covers(reach.destination),
    }
    if column not in beyond:
        return True
    return any(meets(wide, reach) and beyond[column](reach) for reach in _open_to(policy, wide))


def _open_to(policy: PolicySnapshot, rule: Rule) -> Iterator[Reach]:
    """What those who have its role could ask for: agents call tools, operators take back and allow."""
    members, role = policy.book.members, rule.row.role
    holders = [member.agent for member in members if role in (ANY, member.role)]
    if any(agent.startswith("agent:") for agent in holders) or role == ANY:
        yield from reaches(policy)
        yield from (reach for reach in own(policy) if reach.server == ITSELF)
    if any(agent.startswith("operator:") for agent in holders):
        yield from own(policy)


def _noticed(policy: PolicySnapshot, mutant: Mutant, results: Sequence[Result]) -> bool:
    other = _with(policy, mutant)
    near = (result for result in results if _concerns(mutant, result, (policy, other)))
    return any(cases.judged(other, result) for result in near)


def _with(policy: PolicySnapshot, mutant: Mutant) -> PolicySnapshot:
    rules = tuple(
        each
        for rule in policy.book.rules
        if (each := mutant.instead if rule is mutant.rule else rule) is not None
    )
    book = Rulebook(rules, policy.book.members)
    index = Index(book)
    verdicts = Verdicts(index, policy.pdp.verdicts.engine)
    by_id = {rule.id: rule for rule in rules}
    pdp = replace(policy.pdp, index=index, verdicts=verdicts, rules=by_id)
    return replace(policy, book=book, pdp=pdp)


def _concerns(mutant: Mutant, result: Result, both: Sequence[PolicySnapshot]) -> bool:
    """A case of another server or another tool comes out as it did. One of a resource is of all its spellings."""
    case = result.case
    more = (policy.pdp.index.spellings.others_of(case.tool) for policy in both)
    names = [case.tool, *chain.from_iterable(more)]
    return any(
        rule.row.server in (ANY, case.server)
        and any(map(patterns.names(rule.row.tool).matches, names))
        for rule in (mutant.rule, mutant.instead)
        if rule is not None
    )
