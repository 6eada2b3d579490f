"""What is legal in a policy and still wrong: rules that can never decide, entries nobody can reach.

Errors are what makes a policy say less than it seems to (a deny that never applies); warnings are what
a reader should know. It reads loaded values, and of the files only where a condition stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal

from gateway.config import yamlfile
from gateway.core.model import Effect, Tier
from gateway.errors import Where
from gateway.policy import patterns
from gateway.policy.asking import UNDO
from gateway.policy.classify import classes
from gateway.policy.patterns import ANY
from gateway.policy.reach import OWN, Reach, meets, reaches
from gateway.policy.rules import Rule
from gateway.policy.snapshot import CONDITIONS, PolicySnapshot
from gateway.policy.tiers import Line
from gateway.values import Value, replace

OF_OPERATORS: Final = ("approve", "undo")
"""Intents of operators' words: nobody declares them."""


Severity = Literal["error", "warning"]


class Finding(Value):
    """One remark at one place."""

    severity: Severity
    message: str
    where: Where


def lint(policy: PolicySnapshot, servers: Collection[str]) -> Sequence[Finding]:
    """Findings, errors first, then by place. `servers`: the ids in bulkhead.yaml."""
    found_there = list(reaches(policy))
    found = [
        *_strangers(policy, servers),
        *_unreachable(policy, found_there),
        *_without_role(policy),
        *_shadowed(policy),
        *_nobody(policy, found_there),
        *_on_trial(policy),
        *_never_held(policy, found_there),
        *_undeclared(policy),
        *_lifting_nothing(policy),
    ]
    return sorted(found, key=lambda each: (each.severity, each.where.file, each.where.line or 0))


def _strangers(policy: PolicySnapshot, servers: Collection[str]) -> Iterator[Finding]:
    """Servers bulkhead.yaml does not have: fine for policies that serve several settings, said once each."""
    for server, sections in policy.tiers.items():
        lines = [line for lines in sections.values() for line in lines]
        if server not in servers and lines:
            yield Finding("warning", f"bulkhead.yaml has no server {server!r}", lines[0].where)


def _undoes(policy: PolicySnapshot, rule: Rule) -> bool:
    """Is it about inverse calls or words of operators? They stand in no tiers.yaml."""
    names, row = patterns.names(rule.row.tool), rule.row
    own = [name for name in (*names.exact, *names.prefixes) if name.startswith(OWN)]
    home = policy.classifier.defaults.get(row.server)
    if not own or row.tier not in (ANY, Tier.ADMIN):
        return False
    if home is None or not all(name.startswith(UNDO) for name in own):
        return True
    return patterns.hosts(row.destination).matches(home)


def _unreachable(policy: PolicySnapshot, there: Sequence[Reach]) -> Iterator[Finding]:
    by_server: dict[str, list[Reach]] = defaultdict(list)
    for reach in there:
        by_server[reach.server].append(reach)
    for rule in policy.book.rules:
        near = there if rule.row.server == ANY else by_server[rule.row.server]
        named = rule.row.tool.split("|")
        dead = [name for name in named if not _has(policy, _alone(rule, name), near)]
        if dead == named:
            yield Finding(
                "error",
                f"{rule.id} can never match: tiers.yaml has no such tool, tier and destination",
                rule.where,
            )
        elif dead:
            # In an allow nobody is let in by it, which is noticed; in a deny nobody is kept out.
            severity: Severity = "warning" if rule.allows else "error"
            said = f"{rule.id}: tiers.yaml has no {', '.join(dead)} in its tier and destination"
            yield Finding(severity, said, rule.where)


def _alone(rule: Rule, name: str) -> Rule:
    """The rule, if it named only this."""
    return replace(rule, row=rule.row._replace(tool=name))


def _has(policy: PolicySnapshot, rule: Rule, near: Sequence[Reach]) -> bool:
    """Is there anything the rule could be about?"""
    return any(meets(rule, reach) for reach in near) or _undoes(policy, rule)


def _without_role(policy: PolicySnapshot) -> Iterator[Finding]:
    held = {(member.role, member.tenant) for member in policy.book.members}
    for rule in policy.book.rules:
        role, tenant = rule.row.role, rule.row.tenant
        if ANY not in (role, tenant) and (role, tenant) not in held:
            yield Finding("error", f"{rule.id}: nobody has {role} in tenant {tenant}", rule.where)


def _shadowed(policy: PolicySnapshot) -> Iterator[Finding]:
    """Rules that another one always decides before: a deny over an allow, or the first of two alike."""
    groups: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in policy.book.rules:
        groups[rule.row.server, rule.row.role].append(rule)
    order = {rule.id: number for number, rule in enumerate(policy.book.rules)}
    for rule in policy.book.rules:
        servers, roles = {rule.row.server, ANY}, {rule.row.role, ANY}
        others = (o for server in servers for role in roles for o in groups[server, role])
        for other in others:
            before = order[other.id] < order[rule.id]
            alike = other.effect == rule.effect and before
            beaten = (rule.allows or rule.on_trial) and other.effect == "deny"
            if (alike or beaten) and _covers(other, rule):
                yield Finding(
                    "error", f"{rule.id} never decides: {other.id} always does", rule.where
                )
                break


def _covers(wide: Rule, narrow: Rule) -> bool:
    """True if whatever `narrow` matches, `wide` matches."""
    columns = ("tier", "server", "role", "tenant", "intent")
    return (
        all(getattr(wide.row, name) in (ANY, getattr(narrow.row, name)) for name in columns)
        and wide.covers(narrow)
        and wide.conditions <= narrow.conditions
    )


def _on_trial(policy: PolicySnapshot) -> Iterator[Finding]:
    """A trial that nobody ends is a deny that never comes."""
    for rule in policy.book.rules:
        if rule.on_trial:
            yield Finding("warning", f"{rule.id} is on trial: it denies nothing", rule.where)


def _never_held(policy: PolicySnapshot, there: Sequence[Reach]) -> Iterator[Finding]:
    """A read cannot be held, so a hold that matches one denies it: a duty that nobody fulfils."""
    for rule in policy.book.rules:
        if rule.word != "hold" or any(_spares_reads(policy, name) for name in rule.conditions):
            continue
        lines = (reach.line for reach in there if reach.line and meets(rule, reach))
        for line in (line for line in lines if _is_read(rule, line)):
            said = f"{rule.id} denies {line.text} ({line.where}): a read cannot be held"
            yield Finding("warning", said, rule.where)
            break


def _spares_reads(policy: PolicySnapshot, condition: str) -> bool:
    effects = policy.conditions[condition].effect
    return effects is not None and Effect.READ not in effects


def _is_read(rule: Rule, line: Line) -> bool:
    return any(
        effect is Effect.READ and rule.row.tier in (ANY, tier) for tier, effect in classes(line)
    )


def _undeclared(policy: PolicySnapshot) -> Iterator[Finding]:
    """Intents that intents.yaml, where there is one, does not have: a misspelt one in a deny denies nothing."""
    declared = {*policy.intents.ceilings, *OF_OPERATORS, ANY}
    for rule in policy.book.rules if policy.intents.ceilings else ():
        if rule.row.intent not in declared:
            said = f"{rule.id}: intents.yaml declares no intent {rule.row.intent!r}"
            yield Finding("warning", said, rule.where)


def _lifting_nothing(policy: PolicySnapshot) -> Iterator[Finding]:
    """Argument rules that name what their entry is anyway, or less: whoever wrote one meant more."""
    for sections in policy.tiers.values():
        for line in (line for lines in sections.values() for line in lines):
            entry = line.entry
            for lift in entry.lifts:
                tier, effect = lift.tier or entry.tier, lift.effect or entry.effect
                if tier.rank <= entry.tier.rank and effect.rank <= entry.effect.rank:
                    said = f"{line.text}: raise by argument {lift.argument} lifts nothing"
                    yield Finding("error", said, line.where)


def _nobody(policy: PolicySnapshot, there: Sequence[Reach]) -> Iterator[Finding]:
    """Entries no allow rule reaches, and conditions no rule names."""
    allows = [rule for rule in policy.book.rules if rule.allows]
    for reach in there:
        if reach.line and not any(meets(rule, reach) for rule in allows):
            yield Finding(
                "warning", f"{reach.line.text}: no rule lets anybody reach it", reach.line.where
            )
    named = {name for rule in policy.book.rules for name in rule.conditions}
    for name in policy.conditions.keys() - named:
        yield Finding("warning", f"condition {name} is in no rule", _condition(policy, name))


def _condition(policy: PolicySnapshot, name: str) -> Where:
    tree = yamlfile.read(policy.directory / CONDITIONS)
    said = f"{policy.directory.resolve().name}/{CONDITIONS}"
    return Where(said, yamlfile.line_of(tree, ["conditions", name]))
