"""The least that would have been enough: rules for one agent, mined from the calls it was allowed to make.

Each suggested rule is a piece of the rule in force behind it: the same tier, server, tenant, intent and
conditions, the tools by their names, the destinations as they were. So nothing is suggested that is not
allowed now. Denies, duties and trials of the agent's roles are carried over to its new one, and so is what they
allow of the gateway's own business (grants), which is not judged here. It reads recorded calls and loaded
rules, and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.policy import engine, patterns
from gateway.policy.recalled import Recalled
from gateway.policy.recalling import Recalling
from gateway.policy.rehearse import Rehearsal
from gateway.policy.rules import Member, Rule
from gateway.policy.snapshot import PolicySnapshot
from gateway.settings import ITSELF
from gateway.values import Value

ID: Final = 32
"""Characters of a rule's id at most."""
SHOWN: Final = 3


@dataclass(slots=True)
class Calls:
    """The calls behind something. Times: microseconds since the epoch."""

    count: int = 0
    first: int = 0
    last: int = 0
    ids: list[str] = field(default_factory=list)
    """The first few."""

    def note(self, call: Recalled, at: int) -> None:
        """One more, in the order of the journal."""
        self.count += 1
        self.first = self.first or at
        self.last = at
        if len(self.ids) < SHOWN:
            self.ids.append(call.call_id)


class Place(NamedTuple):
    """What a rule is about, but for its tools; in the order of policy.csv."""

    tier: str
    server: str
    tenant: str
    intent: str
    destination: str
    when: str


class Suggested(Value):
    """One rule, and the calls behind each of its tools."""

    id: str
    role: str
    place: Place
    tools: Mapping[str, Calls]
    behind: Sequence[Rule]
    """The rules in force it is a piece of."""

    @property
    def line(self) -> str:
        """As policy.csv has it."""
        p = self.place
        about = (p.tier, p.server, "|".join(sorted(self.tools)), self.role, p.tenant, p.intent)
        return ", ".join(("p", self.id, *about, p.destination, p.when, "allow"))


class Carried(Value):
    """A rule that is not judged and named a role the agent gives up, for its new role."""

    rule: Rule
    line: str


class Suggestion(Value):
    """All there is to change in policy.csv for one agent."""

    agent: str
    rules: Sequence[Suggested]
    carried: Sequence[Carried]
    members: Sequence[str]
    """Lines to put in."""
    gone: Sequence[Member]
    """Lines to take out."""
    orphans: Sequence[Rule]
    """Rules of roles that nobody has once these are out: an error, so they go as well."""
    left: Mapping[str, Calls]
    """Calls no rule is suggested for, by the reason."""


def suggest(
    policy: PolicySnapshot,
    agent: str,
    calls: Recalling,
) -> Suggestion:
    """For an agent (`agent:<name>`), from these calls. Those it was refused count for nothing."""
    used, left = _used(policy, agent, calls)
    ids, role = _Ids(policy, agent), _role(policy, agent)
    rules = [
        Suggested(ids.fresh("P"), role, place, dict(sorted(tools.items())), _behind(policy, found))
        for place, (tools, found) in sorted(used.items(), key=_strictest_first)
    ]
    members = [member for member in policy.book.members if member.agent == agent]
    tenants = {rule.place.tenant for rule in rules}
    tenants |= {rule.row.tenant for rule in _kept(policy, members)}
    orphans = _orphans(policy, agent)
    return Suggestion(
        agent,
        rules,
        list(_carried(policy, members, role, tenants, ids)),
        [f"g, {agent}, {role}, {tenant}" for tenant in sorted(tenants)],
        [*members, *_idle(policy, agent, orphans)],
        orphans,
        left,
    )


_Used = dict[Place, tuple[dict[str, Calls], set[str]]]


def _strictest_first(one: tuple[Place, object]) -> tuple[Place, int, str]:
    """Of places that differ in conditions alone, the more of them the earlier: behind one with fewer, a rule for the
    same tools would never decide."""
    when = one[0].when
    return one[0]._replace(when=""), -len(engine.conditions(when)), when


def _used(policy: PolicySnapshot, agent: str, calls: Recalling) -> tuple[_Used, dict[str, Calls]]:
    """Tools and the ids of the rules behind them, by place; and the calls that have none."""
    rehearsal, used, left = Rehearsal(policy, {}), _Used(), dict[str, Calls]()
    for line, call in calls.asked_of(rehearsal):
        if not isinstance(call, Recalled) or call.record["agent"] != agent:
            continue
        if call.answer is None or not call.answer.permitted or call.answer.then:
            continue
        found = _found(policy, rehearsal, call)
        if isinstance(found, str):
            left.setdefault(found, Calls()).note(call, line.at)
            continue
        row, tool = found.row, call.target.policy_name
        where = (row.tenant, row.intent, call.record["destination"], row.when)
        tools, behind = used.setdefault(Place(row.tier, row.server, *where), ({}, set()))
        tools.setdefault(tool, Calls()).note(call, line.at)
        behind.add(found.id)
    return used, left


def _found(policy: PolicySnapshot, rehearsal: Rehearsal, call: Recalled) -> Rule | str:
    """The rule in force behind a call, or why none can be suggested."""
    possible = rehearsal.possible(call)
    rules = {answer.rule for answer in possible.answers}
    if not any(answer.permitted for answer in possible.answers):
        return "the policy in force denies it"
    if len(rules) > 1 or not all(answer.permitted for answer in possible.answers):
        return f"cannot be told: {', '.join(possible.doubts)}"
    rule = policy.pdp.rules[rules.pop()]
    if not patterns.hosts(rule.row.destination).matches(call.record["destination"]):
        return "it leads elsewhere now"
    if not _can_be_written(call.target.policy_name):
        return "its name cannot be written in policy.csv"
    return rule


def _can_be_written(name: str) -> bool:
    """Would the name, in the column `tool`, match itself and nothing else?"""
    if not name.isascii() or any(sign in name for sign in ',#"') or name != name.strip():
        return False
    try:
        return patterns.names(name) == patterns.Names(frozenset({name}), ())
    except ValueError:
        return False


def _behind(policy: PolicySnapshot, ids: set[str]) -> Sequence[Rule]:
    return [rule for rule in policy.book.rules if rule.id in ids]


def _slug(agent: str) -> str:
    return (
        re.sub(r"[^a-z0-9_.-]+", "-", agent.partition(":")[2].lower()).strip("-_.")[:20] or "agent"
    )


def _role(policy: PolicySnapshot, agent: str) -> str:
    """A role of its own, by its name."""
    taken = {rule.row.role for rule in policy.book.rules}
    role = f"role:{_slug(agent)}"
    while role in taken:
        role += "-least"
    return role


class _Ids:
    """Ids no rule has."""

    def __init__(self, policy: PolicySnapshot, agent: str) -> None:
        self._taken = {rule.id for rule in policy.book.rules}
        self._slug = _slug(agent)

    def fresh(self, start: str) -> str:
        """One that begins like this."""
        number = 1
        while True:
            tail = f"{self._slug}.{number}"
            found = f"{start[: ID - len(tail)]}{tail}"
            if found not in self._taken:
                self._taken.add(found)
                return found
            number += 1


def _kept(policy: PolicySnapshot, members: Sequence[Member]) -> Iterator[Rule]:
    """What these members may ask of the gateway itself: it is not judged."""
    held = {(member.role, member.tenant) for member in members}
    for rule in policy.book.rules:
        if rule.allows and rule.row.server == ITSELF and (rule.row.role, rule.row.tenant) in held:
            yield rule


def _carried(
    policy: PolicySnapshot,
    members: Sequence[Member],
    role: str,
    tenants: set[str],
    ids: _Ids,
) -> Iterator[Carried]:
    """For the new role, in its tenants: what speaks of a role that is given up, where it was had and nowhere else."""
    kept = frozenset(_kept(policy, members))
    for rule in policy.book.rules:
        had = {member.tenant for member in members if member.role == rule.row.role} & tenants
        if not had or (rule.allows and rule not in kept):
            continue
        everywhere = rule.row.tenant == patterns.ANY
        places = {patterns.ANY} if everywhere and had == tenants else had
        if not everywhere:
            places = had & {rule.row.tenant}
        for tenant in sorted(places):
            row = rule.row._replace(
                id=ids.fresh(f"{rule.id}."), role=role, tenant=tenant, effect=rule.effect
            )
            yield Carried(rule, ", ".join(("p", *row)))


def _orphans(policy: PolicySnapshot, agent: str) -> Sequence[Rule]:
    members = policy.book.members
    had = {member.role for member in members if member.agent == agent}
    others = {(member.role, member.tenant) for member in members if member.agent != agent}
    return [
        rule
        for rule in policy.book.rules
        if rule.row.role in had
        and not any(
            role == rule.row.role and rule.row.tenant in (patterns.ANY, tenant)
            for role, tenant in others
        )
    ]


def _idle(policy: PolicySnapshot, agent: str, orphans: Sequence[Rule]) -> Sequence[Member]:
    """Lines of others whose role no rule would name any more: it gave them nothing in their tenant."""
    named = {rule.row.role for rule in policy.book.rules if rule not in orphans}
    return [one for one in policy.book.members if one.agent != agent and one.role not in named]
