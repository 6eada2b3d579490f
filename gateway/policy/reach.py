"""What there is to call: every entry of tiers.yaml, and the gateway's own business, in the words of policy.csv.

It reads loaded values only, and judges no rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.core.model import Tier
from gateway.policy import patterns, spellings
from gateway.policy.asking import UNDO
from gateway.policy.classify import LOCAL, classes
from gateway.policy.patterns import ANY, Hosts, Names
from gateway.policy.rules import Rule
from gateway.policy.snapshot import PolicySnapshot
from gateway.policy.tiers import Line, named
from gateway.settings import ITSELF
from gateway.values import Value

WORDS: Final = ("approve:", "break-glass:")
OWN: Final = (UNDO, *WORDS, "grants:")
"""The gateway's own business, of operators and orchestrators: tier admin, and in no tiers.yaml."""


class Reach(Value):
    """Things of one kind that one rule could be about."""

    server: str
    names: Names
    tiers: frozenset[str]
    destination: Hosts
    line: Line | None
    """None for the gateway's own business."""


def reaches(policy: PolicySnapshot) -> Iterator[Reach]:
    """What tiers.yaml makes reachable, entry by entry."""
    for server, sections in policy.tiers.items():
        for section, lines in sections.items():
            for line in lines:
                tiers = frozenset(str(tier) for tier, _ in classes(line))
                yield Reach(server, named(section, line), tiers, _led(policy, server, line), line)


def own(policy: PolicySnapshot) -> Iterator[Reach]:
    """What the gateway asks by itself: about each server for operators, about grants for anybody."""
    admin, local = frozenset({str(Tier.ADMIN)}), patterns.hosts(LOCAL)
    for server in policy.tiers:
        home = _at(policy.classifier.defaults.get(server, LOCAL))
        yield Reach(server, Names(frozenset(), (UNDO,)), admin, home, None)
        yield Reach(server, Names(frozenset(), WORDS), admin, local, None)
    yield Reach(ITSELF, Names(frozenset(), ("grants:",)), admin, local, None)


def meets(rule: Rule, reach: Reach) -> bool:
    """Could the rule be about some of it? One that closes or binds is about every spelling of a resource."""
    row = rule.row
    hosts, tools = patterns.hosts(row.destination), patterns.names(row.tool)
    return (
        row.server in (ANY, reach.server)
        and (row.tier == ANY or row.tier in reach.tiers)
        and (tools.meets(reach.names) or (not rule.allows and spellings.meet(tools, reach.names)))
        and (hosts.covers(reach.destination) or reach.destination.any)
    )


def _led(policy: PolicySnapshot, server: str, line: Line) -> Hosts:
    fixed = line.entry.destination
    if fixed is None:
        fixed = policy.classifier.defaults.get(server, LOCAL)
    return _at(fixed) if isinstance(fixed, str) else patterns.hosts(ANY)


def _at(host: str) -> Hosts:
    return Hosts(False, frozenset({host}), ())
