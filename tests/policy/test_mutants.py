from __future__ import annotations

from pathlib import Path

import pytest

from gateway.policy import PolicySnapshot, cases, load
from gateway.policy.mutants import Tried, mutants, mutate
from tests.policy.written import ALLOW, READER, TIERS, written

ROOT = Path(__file__).parents[2]
C = "conditions: {c: {arguments: {m: {maxLength: 1}}}, d: {level: {below: exact}}}"
READS = "tells: a, agent: 'agent:ann', server: git, tool: git_log, expect: allow, rule: P1"
WIDE = f"{TIERS}      git_show: {{tier: data, effect: read}}\n"


def policy_of(
    home: Path, *rules: str, said: tuple[str, ...] = (READS,), tiers: str = TIERS
) -> PolicySnapshot:
    text = "".join(f"  - {{{case}}}\n" for case in said)
    text = f"cases:\n{text}" if said else "cases: []\n"
    csv = "\n".join((*(rules or (ALLOW,)), READER, ""))
    return load(written(home, csv, tiers, C, text), {})


def tried(policy: PolicySnapshot) -> Tried:
    results = cases.run(policy)
    assert [result.problem for result in results if result.problem] == []
    return mutate(policy, results)


def survivors(policy: PolicySnapshot) -> list[str]:
    return [f"{one.rule.id} {one.change}" for one in tried(policy).survivors]


def changes(policy: PolicySnapshot, rule: str) -> list[str]:
    return [one.change for one in mutants(policy) if one.rule.id == rule]


def test_a_rule_that_a_case_is_decided_by_can_neither_be_removed_nor_flipped(
    tmp_path: Path,
) -> None:
    policy = policy_of(tmp_path)
    assert changes(policy, "P1") == ["removed", "allow -> deny"]
    assert survivors(policy) == []


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("p, D1, *, git, git_log, *, *, *, *, -, deny", "deny -> allow"),
        ("p, O1, *, git, git_log, *, *, *, *, -, hold:60", "hold:60 -> deny"),
        ("p, W1, *, git, git_log, *, *, *, *, -, would-deny", "would-deny -> deny"),
    ],
)
def test_every_kind_of_rule_is_flipped(tmp_path: Path, rule: str, said: str) -> None:
    policy = policy_of(tmp_path, ALLOW, rule, said=())
    assert said in changes(policy, rule.split(", ")[1])


def test_what_no_case_looks_at_survives_with_its_place(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, ALLOW.replace("-", "c"), said=(), tiers=WIDE)
    found = tried(policy)
    assert {one.change for one in found.survivors} == {
        "removed",
        "allow -> deny",
        "tool -> *",
        "without c",
    }
    assert {str(one.rule.where) for one in found.survivors} == {"policies/policy.csv:1"}
    assert found.mutants == len(found.survivors)


def test_a_widened_rule_is_noticed_by_a_case_beside_it(tmp_path: Path) -> None:
    beside = (
        "tells: b, agent: 'agent:ann', server: git, tool: git_show, expect: deny, rule: no_rule"
    )
    assert survivors(policy_of(tmp_path, tiers=WIDE)) == ["P1 tool -> *"]
    assert survivors(policy_of(tmp_path, said=(READS, beside), tiers=WIDE)) == []


def test_an_allow_is_not_widened_where_the_reader_would_not_let_it(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, tiers=WIDE)
    assert changes(policy, "P1") == ["removed", "allow -> deny", "tool -> *"]


def test_a_deny_is_widened_in_every_column_that_could_show(tmp_path: Path) -> None:
    deny = "p, D1, data, git, git_log, role:reader, local, general, local, c, deny"
    tiers = f"{WIDE}  web:\n    tools:\n      git_log: {{tier: tool, effect: read, destination: a.example}}\n"
    assert changes(policy_of(tmp_path, ALLOW, deny, tiers=tiers, said=()), "D1")[2:] == [
        "role -> *",
        "tenant -> *",
        "intent -> *",
        "tool -> *",
        "without c",
    ]
    everywhere = deny.replace("data, git,", "*, git,").replace("general, local", "general, *")
    found = changes(policy_of(tmp_path, ALLOW, everywhere, tiers=tiers, said=()), "D1")
    assert "server -> *" in found and "tier -> *" not in found


def test_a_change_nothing_to_call_could_show_is_not_tried(tmp_path: Path) -> None:
    assert "tool -> *" not in changes(policy_of(tmp_path), "P1")
    assert "destination -> *" not in changes(policy_of(tmp_path), "P1")
    by_url = TIERS.replace("effect: read", "effect: read, destination: {argument: url}")
    assert "destination -> *" in changes(policy_of(tmp_path, tiers=by_url, said=()), "P1")


def test_a_case_of_one_spelling_of_a_resource_notices_a_change_of_a_rule_for_another(
    tmp_path: Path,
) -> None:
    rule = "p, {}, data, git, resource:file:///srv{}keys, role:reader, local, general, local, -, {}"
    rules = (rule.format("P1", "%2F", "allow"), rule.format("D1", "/", "deny"))
    uri = "resource:file:///srv%2Fkeys"
    said = f"tells: k, agent: 'agent:ann', server: git, tool: '{uri}', expect: deny, rule: D1"
    tiers = 'servers: {git: {resources: {"file:///srv%2Fkeys": {tier: data, effect: read}}}}'
    found = survivors(policy_of(tmp_path, *rules, said=(said,), tiers=tiers))
    assert not {"D1 removed", "D1 deny -> allow"} & {*found}


def test_who_may_undo_may_not_silently_come_to_approve(tmp_path: Path) -> None:
    undo = "p, P9, admin, git, undo:*, role:olga, local, undo, local, -, allow"
    olga = "g, operator:olga, role:olga, local"
    undoes = (
        "tells: u, agent: 'operator:olga', intent: undo, server: git, tool: 'undo:x', "
        "expect: allow, rule: P9"
    )
    assert survivors(policy_of(tmp_path, ALLOW, undo, olga, said=(READS, undoes))) == [
        "P9 tool -> *"
    ]


def test_the_starter_policy_has_no_survivors() -> None:
    found = tried(load(ROOT / "policies", {}))
    assert found.mutants > 40
    assert [f"{one.rule.id} {one.change}" for one in found.survivors] == []
