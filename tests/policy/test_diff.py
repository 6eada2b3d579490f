from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from gateway.core.model import AccessRequest, Effect, Tier
from gateway.policy import PolicySnapshot, load
from gateway.policy.columns import FRESH
from gateway.policy.diff import ORDER, Change, diff, merged
from tests.policy.written import ALLOW, READER, TIERS, loaded, written
from tests.properties.test_policy_differential import (
    AGENTS,
    CONSTRAINTS,
    INTENTS,
    SERVERS,
    TENANTS,
    TOOLS,
    a_policy,
)

C = "conditions: {c: {arguments: {m: {maxLength: 1}}}, d: {arguments: {m: {minLength: 1}}}}"
SHOW = f"{TIERS}      git_show|git_push: {{tier: data, effect: read}}\n"


def policy(home: Path, *rows: str, tiers: str = SHOW, constraints: str = C) -> PolicySnapshot:
    home.mkdir(exist_ok=True)
    return load(written(home, "\n".join((*rows, "")), tiers, constraints), {})


def told(change: Change) -> str:
    cells = [f"{name}={'|'.join(words)}" for name, words in zip(ORDER, change.cells, strict=True)]
    when = f" when {change.when}" if change.when else ""
    return f"{change.old[0]} {change.old[1]} -> {change.new[0]} {change.new[1]}: {' '.join(cells)}{when}"


def between(home: Path, old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    return [told(each) for each in diff(policy(home / "old", *old), policy(home / "new", *new))]


WHO = "who=agent:ann in local|role:reader in local server=git tier=data"


def test_the_same_policy_differs_in_nothing_whatever_its_ids_places_and_comments(
    tmp_path: Path,
) -> None:
    assert between(tmp_path, (ALLOW, READER), (ALLOW, READER)) == []
    renamed = ALLOW.replace("P1", "P7")
    assert between(tmp_path, (ALLOW, READER), ("# new", READER, renamed)) == []


def test_a_rule_more_is_a_decision_that_is_another_with_both_rules_and_places(
    tmp_path: Path,
) -> None:
    wide = ALLOW.replace("git_log", "git_log|git_show")
    (change,) = diff(policy(tmp_path / "a", ALLOW, READER), policy(tmp_path / "b", wide, READER))
    assert told(change) == (
        f"denied no_rule -> allowed P1: {WHO} tool=git_show intent=general destination=local"
    )
    assert (change.old[2], change.new[2]) == ("", "policies/policy.csv:1")


def test_a_star_is_seen_by_the_words_nobody_named(tmp_path: Path) -> None:
    deny = "p, D1, *, *, *, *, *, *, *, -, deny"
    anything = SHOW.replace("git_show|git_push", "git_*")
    both = [
        policy(tmp_path / n, *rows, tiers=anything)
        for n, rows in (
            ("old", (ALLOW.replace("git_log", "git_*"), READER)),
            ("new", (ALLOW.replace("git_log", "git_*"), READER, deny)),
        )
    ]
    (change,) = diff(*both)
    assert told(change) == (
        f"allowed P1 -> denied D1: {WHO} tool=git_* (any other)|git_log intent=general"
        " destination=local"
    )


def test_a_role_given_to_an_agent_is_what_it_may_do_from_now_on(tmp_path: Path) -> None:
    new = (ALLOW, READER, "g, agent:bob, role:reader, local")
    assert between(tmp_path, (ALLOW, READER), new) == [
        "denied no_rule -> allowed P1: who=agent:bob in local server=git tier=data"
        " tool=git_log intent=general destination=local"
    ]


def test_a_deny_on_one_role_is_seen_in_an_agent_that_has_two(tmp_path: Path) -> None:
    second = ALLOW.replace("P1", "P2").replace("role:reader", "role:other").replace("log", "show")
    old = (ALLOW, READER, second, "g, agent:ann, role:other, local")
    deny = "p, D1, *, *, git_log, role:other, *, *, *, -, deny"
    found = between(tmp_path, old, (*old, deny))
    assert found == [
        "allowed P1 -> denied D1: who=agent:ann in local server=git tier=data"
        " tool=git_log intent=general destination=local"
    ]


@pytest.mark.parametrize(
    ("when", "duty", "said"),
    [
        ("-", "approve", "allowed P1 -> allowed with approve P1"),
        ("c", "hold:60", "allowed P1 -> allowed with hold:60 P1"),
    ],
)
def test_a_duty_more_is_another_decision(tmp_path: Path, when: str, duty: str, said: str) -> None:
    row = f"p, O1, *, *, *, *, *, *, *, {when}, {duty}"
    (found,) = between(tmp_path, (ALLOW, READER), (ALLOW, READER, row))
    assert found.startswith(said)
    assert found.endswith("when c holds or cannot be told") is (when == "c")


def test_a_rule_on_trial_changes_no_decision(tmp_path: Path) -> None:
    row = "p, W1, *, *, *, *, *, *, *, -, would-deny"
    assert between(tmp_path, (ALLOW, READER), (ALLOW, READER, row)) == []


def test_conditions_come_out_in_every_way(tmp_path: Path) -> None:
    found = between(tmp_path, (ALLOW, READER), (ALLOW.replace("-", "c&d"), READER))
    assert len(found) == 1
    assert found[0].startswith("allowed P1 -> denied no_rule")
    tighter = between(
        tmp_path, (ALLOW.replace("-", "c"), READER), (ALLOW.replace("-", "c&d"), READER)
    )
    assert tighter[0].endswith("when c holds, d does not hold for certain")


def test_a_condition_that_reads_otherwise_is_another_condition(tmp_path: Path) -> None:
    rows = (ALLOW.replace("-", "c"), READER)
    old = policy(tmp_path / "old", *rows)
    new = policy(tmp_path / "new", *rows, constraints=C.replace("maxLength: 1", "maxLength: 2"))
    assert [change.when for change in diff(old, new)] == [
        "c (as it was) holds, c (as it will be) does not hold for certain",
        "c (as it was) does not hold for certain, c (as it will be) holds",
    ]


def test_true_is_not_one_in_a_condition(tmp_path: Path) -> None:
    rows = (ALLOW.replace("-", "c"), READER)
    both = (
        policy(tmp_path / value, *rows, constraints=C.replace("maxLength: 1", f"const: {value}"))
        for value in ("1", "true")
    )
    assert len(diff(*both)) == 2


def test_what_nobody_can_call_is_no_difference(tmp_path: Path) -> None:
    more = ALLOW.replace("P1", "P2").replace("git_log", "git_nothing")
    assert between(tmp_path, (ALLOW, READER), (ALLOW, READER, more)) == []


def test_cells_that_differ_in_one_column_become_one() -> None:
    def cell(*words: str) -> tuple[frozenset[str], ...]:
        return tuple(frozenset({word}) for word in (*words, "x", "x", "x", "x"))

    whole = merged([cell("a", "1"), cell("a", "2"), cell("b", "1"), cell("b", "2")])
    assert [[sorted(column) for column in each][:2] for each in whole] == [[["a", "b"], ["1", "2"]]]
    assert len(merged([cell("a", "1"), cell("b", "2")])) == 2


def test_every_difference_is_found_and_none_is_made_up(tmp_path: Path) -> None:
    """Against asking both policies about everything, one question at a time."""
    dice, differences = random.Random(20261128), 0
    entries = "".join(f"      '{t}': {{tier: data, effect: read}}\n" for t in (*TOOLS[:5], "x*"))
    tiers = "servers:\n" + "".join(f"  {s}:\n    tools:\n{entries}" for s in SERVERS)
    for number in range(8):
        rules, members = a_policy(dice)
        csv = [*(f"p, {', '.join(rule)}" for rule in rules if rule[-2] == "-")]
        roles = {line.split(", ")[5] for line in csv}
        csv += [f"g, {', '.join(member)}" for member in sorted(members) if member[1] in roles]
        old = loaded(_made(tmp_path, f"o{number}"), "\n".join(csv) + "\n", tiers, CONSTRAINTS)
        changed = [line for line in csv if line[:1] == "g" or dice.random() < 0.5]
        held = {line.split(", ")[5] for line in changed if line[:1] == "p"}
        changed = [li for li in changed if li[:1] == "p" or li.split(", ")[2] in held]
        new = loaded(_made(tmp_path, f"n{number}"), "\n".join(changed) + "\n", tiers, CONSTRAINTS)
        assert _asked(old, new) == _found(old, new)
        differences += len(_asked(old, new))
    assert differences > 10


def _made(home: Path, name: str) -> Path:
    (home / name).mkdir()
    return home / name


def _asked(old: PolicySnapshot, new: PolicySnapshot) -> set[tuple[str, ...]]:
    everything = product(AGENTS, TENANTS, SERVERS, (*TOOLS[:5], f"x{FRESH}"), INTENTS)
    return {
        (f"{agent} in {tenant}", server, tool, intent)
        for agent, tenant, server, tool, intent in everything
        if old.decide(_question(agent, tenant, server, tool, intent)).permitted
        != new.decide(_question(agent, tenant, server, tool, intent)).permitted
    }


def _question(agent: str, tenant: str, server: str, tool: str, intent: str) -> AccessRequest:
    return AccessRequest(
        agent, tenant, intent, Tier.DATA, server, tool, "local", Effect.READ, {}, level="read"
    )


def _found(old: PolicySnapshot, new: PolicySnapshot) -> set[tuple[str, ...]]:
    """Of agents, word by word."""
    found: set[tuple[str, ...]] = set()
    for change in diff(old, new):
        who, servers, tiers, tools, intents, _ = change.cells
        assert tiers == ("data",)
        agents = [each for each in who if each.startswith("agent:")]
        words = [tool.replace("x* (any other)", f"x{FRESH}") for tool in tools]
        found |= set(product(agents, servers, words, intents))
    return found


@pytest.mark.parametrize("effect", ["deny", "approve"])
@pytest.mark.parametrize(("called", "closed"), [("%2F", "/"), ("/", "%2F"), ("%2f", "%2F")])
def test_a_rule_for_another_spelling_of_a_resource_decides_of_what_there_is(
    tmp_path: Path, called: str, closed: str, effect: str
) -> None:
    uri = f"file:///srv{called}keys"
    rule = "D1" if effect == "deny" else "O1"
    allow = ALLOW.replace("git_log", f"resource:{uri}")
    more = f"p, {rule}, *, git, resource:file:///srv{closed}keys, *, *, *, *, -, {effect}"
    tiers = f"servers: {{git: {{resources: {{'{uri}': {{tier: data, effect: read}}}}}}}}"
    old = policy(tmp_path / "old", allow, READER, tiers=tiers)
    new = policy(tmp_path / "new", allow, READER, more, tiers=tiers)
    (change,) = diff(old, new)
    said = "denied" if effect == "deny" else "allowed with approve"
    assert (change.old[0], change.new[0]) == ("allowed", said)
    assert change.cells[ORDER.index("tool")] == (f"resource:{uri}",)
    (back,) = diff(new, old)
    assert (back.old[0], back.new[0]) == (said, "allowed")
