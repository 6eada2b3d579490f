"""What two policies say otherwise outside of policy.csv: classes of things, conditions, intents.

It compares loaded values, name by name, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.config.yamlfile import same
from gateway.policy.classify import LOCAL
from gateway.policy.columns import FRESH
from gateway.policy.intents import FILE
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.tiers import SECTION, ByArgument, Line, Section
from gateway.values import Value, as_json

NOTHING: Final = "nothing"


class Entry(Value):
    """One thing that is another, was not there, or is gone."""

    what: str
    old: str
    new: str
    old_where: str = ""
    new_where: str = ""


def entries(old: PolicySnapshot, new: PolicySnapshot) -> Sequence[Entry]:
    """By file and name."""
    return [*_classes(old, new), *_conditions(old, new), *_intents(old, new)]


def _classes(old: PolicySnapshot, new: PolicySnapshot) -> Iterator[Entry]:
    """Every name in either, one more for each pattern: which entry speaks for it, and what it says."""
    for server in sorted({*old.tiers, *new.tiers}):
        for section in dict.fromkeys(SECTION.values()):
            for label, word in _words(old, new, server, section):
                was, will = (_found(policy, server, section, word) for policy in (old, new))
                told = _told(old, server, was), _told(new, server, will)
                if told[0] == told[1] and not _same(was, will):
                    rest = "other argument rules, marks or labels"
                    told = told[0], f"{told[1]}, {rest}"
                if told[0] != told[1]:
                    what = f"{server} {section} {label}"
                    yield Entry(what, *told, _where(was), _where(will))


def _words(
    old: PolicySnapshot, new: PolicySnapshot, server: str, section: Section
) -> Iterator[tuple[str, str]]:
    lines = [
        line for policy in (old, new) for line in policy.tiers.get(server, {}).get(section, ())
    ]
    for name in sorted({name for line in lines for name in line.pattern.exact}):
        yield name, name
    for prefix in sorted({prefix for line in lines for prefix in line.pattern.prefixes}):
        yield f"{prefix}* (any other)", prefix + FRESH


def _found(policy: PolicySnapshot, server: str, section: Section, word: str) -> Line | None:
    lines = policy.tiers.get(server, {}).get(section, ())
    return next((line for line in lines if line.pattern.matches(word)), None)


def _same(was: Line | None, will: Line | None) -> bool:
    if was is None or will is None:
        return was is will
    return was.flow == will.flow and same(was.entry, will.entry)


def _told(policy: PolicySnapshot, server: str, line: Line | None) -> str:
    if line is None:
        return "no class"
    entry = line.entry
    to = entry.destination or policy.classifier.defaults.get(server, LOCAL)
    if isinstance(to, ByArgument):
        to = f"the host in {to.argument}"
    return f"{entry.tier}, {entry.effect}, to {to}"


def _where(line: Line | None) -> str:
    return str(line.where) if line else ""


def _conditions(old: PolicySnapshot, new: PolicySnapshot) -> Iterator[Entry]:
    for name in sorted({*old.conditions, *new.conditions}):
        was, will = (policy.conditions.get(name) for policy in (old, new))
        if not same(was, will):
            said = [
                each.model_dump_json(exclude_defaults=True, by_alias=True) if each else NOTHING
                for each in (was, will)
            ]
            yield Entry(f"condition {name}", *said)


def _intents(old: PolicySnapshot, new: PolicySnapshot) -> Iterator[Entry]:
    standing = [" ".join(sorted(policy.intents.standing)) for policy in (old, new)]
    if standing[0] != standing[1]:
        yield Entry(f"{FILE}: standing", *standing)
    for name in sorted({*old.intents.ceilings, *new.intents.ceilings}):
        was, will = (policy.intents.ceilings.get(name) for policy in (old, new))
        bounds = [each and as_json(each.bounds) for each in (was, will)]
        if was != will or bounds[0] != bounds[1]:
            said = [NOTHING if each is None else "its most" for each in (was, will)]
            if said[0] == said[1]:
                said[1] = "another most"
            yield Entry(f"intent {name}", *said)
