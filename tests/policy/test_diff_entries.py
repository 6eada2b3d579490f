from __future__ import annotations

from pathlib import Path

from gateway.policy import PolicySnapshot, load
from gateway.policy.diff_entries import Entry, entries
from tests.policy.written import ALLOW, READER, TIERS, written

CSV = f"{ALLOW}\n{READER}\n"


def policy(
    home: Path, tiers: str = TIERS, constraints: str = "", intents: str = ""
) -> PolicySnapshot:
    home.mkdir()
    directory = written(home, CSV, tiers, constraints)
    if intents:
        (directory / "intents.yaml").write_text(intents)
    return load(directory, {})


def test_the_same_files_differ_in_no_entry(tmp_path: Path) -> None:
    assert entries(policy(tmp_path / "a"), policy(tmp_path / "b")) == []


def test_a_class_that_is_new_gone_or_another_is_told_with_its_places(tmp_path: Path) -> None:
    old = policy(tmp_path / "a", f"{TIERS}      git_add|git_rm: {{tier: tool, effect: write}}\n")
    new = policy(
        tmp_path / "b",
        f"{TIERS}      git_add: {{tier: admin, effect: write}}\n"
        "      git_p*: {tier: tool, effect: write}\n",
    )
    assert entries(old, new) == [
        Entry(
            "git tools git_add",
            "tool, write, to local",
            "admin, write, to local",
            "policies/tiers.yaml:5",
            "policies/tiers.yaml:5",
        ),
        Entry("git tools git_rm", "tool, write, to local", "no class", "policies/tiers.yaml:5"),
        Entry(
            "git tools git_p* (any other)",
            "no class",
            "tool, write, to local",
            "",
            "policies/tiers.yaml:6",
        ),
    ]


def test_an_argument_rule_more_is_another_class(tmp_path: Path) -> None:
    lifted = TIERS.replace(
        "effect: read}", "effect: read, raise: [{argument: x, matches: {const: 1}, tier: admin}]}"
    )
    (entry,) = entries(policy(tmp_path / "a"), policy(tmp_path / "b", lifted))
    assert entry.new == "data, read, to local, other argument rules, marks or labels"


def test_true_is_not_one_wherever_it_stands(tmp_path: Path) -> None:
    def with_value(home: str, value: str) -> PolicySnapshot:
        rule = f"raise: [{{argument: x, matches: {{const: {value}}}, tier: admin}}]"
        return policy(
            tmp_path / home,
            TIERS.replace("effect: read}", f"effect: read, {rule}}}"),
            f"conditions: {{c: {{arguments: {{x: {{enum: [{value}]}}}}}}}}",
            "intents: {i: {tells: x, tiers: [data], tools: [git/git_log], seconds: 1,"
            f" bounds: {{git/git_log: {{properties: {{x: {{const: {value}}}}}}}}}}}}}",
        )

    told = entries(with_value("a", "1"), with_value("b", "true"))
    assert [one.what for one in told] == ["git tools git_log", "condition c", "intent i"]


def test_conditions_and_intents_are_told_by_name(tmp_path: Path) -> None:
    intent = "intents: {triage: {tells: x, tiers: [data], tools: ['git/*'], seconds: 60}}\n"
    old = policy(tmp_path / "a", constraints="conditions: {c: {effect: [read]}}", intents=intent)
    new = policy(
        tmp_path / "b",
        constraints="conditions: {c: {effect: [write]}, d: {effect: [read]}}",
        intents="standing: [data]\n" + intent.replace("60", "90"),
    )
    assert [(one.what, one.old, one.new) for one in entries(old, new)] == [
        ("condition c", '{"effect":["read"]}', '{"effect":["write"]}'),
        ("condition d", "nothing", '{"effect":["read"]}'),
        ("intents.yaml: standing", "data tool", "data"),
        ("intent triage", "its most", "another most"),
    ]
