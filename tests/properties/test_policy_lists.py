"""A list shows a tool if and only if some call of it is allowed, over every call there could be.

Small worlds: two conditions that can come out in every way, one argument rule, destinations from a
URL. All calls are tried; the list is asked once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decide import question
from gateway.core.model import JsonObject, Target, Tier
from gateway.errors import Refused
from gateway.policy import PolicySnapshot
from gateway.policy.asking import Asked
from gateway.values import replace
from tests.policy.written import READER, loaded

TIERS: Final = """\
servers:
  git:
    tools:
      plain: {tier: data, effect: read}
      lifted:
        tier: data
        effect: read
        raise: [{argument: l, matches: {const: true}, tier: tool, effect: write}]
      far: {tier: tool, effect: write, destination: {argument: url}}
"""
CONSTRAINTS: Final = """\
conditions:
  a: {arguments: {a: {const: true}}}
  b: {arguments: {b: {const: true}}}
"""
URLS: Final = ("x.example", "y.example", "deep.x.example", "other.invalid")
CALLS: Final[list[JsonObject]] = [
    {"a": a, "b": b, "l": lifted, "url": f"https://{host}/"}
    for a in (True, False)
    for b in (True, False)
    for lifted in (True, False)
    for host in URLS
]

tool = st.sampled_from(["plain", "lifted", "far", "*", "plain|far", "l*"])
tier = st.sampled_from(["data", "tool", "admin"])
host = st.sampled_from(["*", "local", "x.example", "*.example", "*.x.example", "local|y.example"])
when = st.sampled_from(["-", "a", "b", "a&b"])
allows = st.lists(st.tuples(tier, tool, host, when), max_size=4)
denies = st.lists(st.tuples(tier | st.just("*"), tool, host, when), max_size=3)


def policy_of(allow: list[tuple[str, ...]], deny: list[tuple[str, ...]]) -> PolicySnapshot:
    lines = ["p, P0, admin, git, none, role:reader, local, general, local, -, allow", READER]
    for number, (t, name, h, w) in enumerate(allow, 1):
        lines.append(
            f"p, P{number}, {t}, git, {name}, role:reader, local, general, {h}, {w}, allow"
        )
    for number, (t, name, h, w) in enumerate(deny, 1):
        lines.append(f"p, D{number}, {t}, git, {name}, *, *, *, {h}, {w}, deny")
    with tempfile.TemporaryDirectory() as home:
        return loaded(Path(home), "\n".join(lines), TIERS, CONSTRAINTS)


def callable_tiers(policy: PolicySnapshot, name: str) -> set[Tier]:
    """The tiers some call is allowed in, by trying them all."""
    found = set()
    for arguments in CALLS:
        try:
            classified = policy.classify(
                Asked("agent:ann", Target("git", "tool", name), arguments).resolved()
            )
        except Refused:
            continue
        if policy.decide(question(classified)).permitted:
            found.add(classified.tier)
    return found


def listed_tiers(policy: PolicySnapshot, name: str) -> set[Tier]:
    """The tiers the tool is listed in, by asking once for each class it could have."""
    resolved = Asked("agent:ann", Target("git", "tool", name)).resolved()
    try:
        possible = policy.possible(resolved)
    except Refused:
        return set()
    return {
        classified.tier
        for classified in possible
        if policy.decide(replace(question(classified), arguments=None)).permitted
    }


@given(allows, denies)
def test_a_list_shows_a_tool_in_a_tier_iff_some_call_is_allowed_there(
    allow: list[tuple[str, ...]], deny: list[tuple[str, ...]]
) -> None:
    policy = policy_of(allow, deny)
    for name in ("plain", "lifted", "far", "unclassified"):
        assert listed_tiers(policy, name) == callable_tiers(policy, name)
