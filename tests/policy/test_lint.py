from __future__ import annotations

from pathlib import Path

import pytest

from gateway.policy import load
from gateway.policy.lint import lint
from tests.policy.written import ALLOW, READER, TIERS, loaded

ROOT = Path(__file__).parents[2]


def findings(home: Path, *lines: str, tiers: str = TIERS, constraints: str = "") -> list[str]:
    policy = loaded(home, "\n".join((ALLOW, READER, *lines)), tiers, constraints)
    return [f"{f.severity} {f.where.line} {f.message}" for f in lint(policy, ["git"])]


def test_a_sound_policy_has_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    "rule",
    [
        "p, D1, *, git, git_lgo, *, *, *, *, -, deny",
        "p, D1, tool, git, git_log, *, *, *, *, -, deny",
        "p, D1, data, git, prompt:git_log, *, *, *, *, -, deny",
        "p, D1, *, *, git_log, *, *, *, evil.example, -, deny",
        "p, P2, data, git, git_push, role:reader, local, general, local, -, allow",
    ],
)
def test_a_rule_that_can_never_match_is_an_error(tmp_path: Path, rule: str) -> None:
    (finding,) = findings(tmp_path, rule)
    assert finding.startswith("error 3")
    assert "can never match" in finding


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "p, D1, *, git, git_log|git_lgo, *, *, *, *, -, deny",
            "error 3 D1: tiers.yaml has no git_lgo",
        ),
        (
            "p, D1, *, *, git_l*|push_*|x, *, *, *, *, -, deny",
            "error 3 D1: tiers.yaml has no push_*, x",
        ),
        (
            ALLOW.replace("P1", "P2").replace("git_log", "git_log|git_lgo"),
            "warning 3 P2: tiers.yaml",
        ),
    ],
)
def test_a_name_among_others_that_is_nothing_is_told_and_in_a_deny_is_an_error(
    tmp_path: Path, rule: str, said: str
) -> None:
    assert any(finding.startswith(said) for finding in findings(tmp_path, rule))


@pytest.mark.parametrize("effect", ["deny", "approve", "would-deny"])
@pytest.mark.parametrize(("called", "closed"), [("%2F", "/"), ("/", "%2F"), ("%2f", "%2F")])
def test_a_rule_that_closes_or_binds_another_spelling_of_a_resource_can_match(
    tmp_path: Path, called: str, closed: str, effect: str
) -> None:
    rule = {"deny": "D1", "approve": "O1"}.get(effect, "W1")
    line = f"p, {rule}, *, git, resource:file:///srv{closed}keys, *, *, *, *, -, {effect}"
    tiers = f"{TIERS}    resources: {{'file:///srv{called}keys': {{tier: data, effect: read}}}}\n"
    assert not [said for said in findings(tmp_path, line, tiers=tiers) if "never match" in said]
    (error, *_) = findings(tmp_path, line.replace("keys", "kees"), tiers=tiers)
    assert "never match" in error


@pytest.mark.parametrize(
    ("rule", "by"),
    [
        (ALLOW.replace("P1", "P2"), "P1"),
        (ALLOW.replace("P1", "P2").replace("git_log", "git_l*"), None),
        ("p, D1, *, *, *, *, *, *, *, -, deny", "D1"),
        ("p, D1, *, *, *, *, *, *, *, c, deny", None),
        (ALLOW.replace("P1", "P2").replace("-", "c"), "P1"),
    ],
)
def test_a_rule_another_one_always_decides_before_is_an_error(
    tmp_path: Path, rule: str, by: str | None
) -> None:
    constraints = "conditions: {c: {arguments: {m: {maxLength: 1}}}}"
    found = [f for f in findings(tmp_path, rule, constraints=constraints) if "never decides" in f]
    assert [finding.rpartition(": ")[2] for finding in found] == (
        [f"{by} always does"] if by else []
    )


def test_a_role_nobody_has_in_the_rules_tenant_is_an_error(tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, ALLOW.replace("P1", "P2").replace("local", "acme", 1))
    assert finding == "error 3 P2: nobody has role:reader in tenant acme"


def test_a_server_bulkhead_yaml_does_not_have_is_a_warning(tmp_path: Path) -> None:
    tiers = f"{TIERS}  web:\n    tools:\n      get: {{tier: data, effect: read}}\n"
    rule = ALLOW.replace("P1", "P2").replace("git, git_log", "web, get")
    assert findings(tmp_path, rule, tiers=tiers) == ["warning 7 bulkhead.yaml has no server 'web'"]


def test_an_entry_and_a_condition_nobody_uses_are_warnings(tmp_path: Path) -> None:
    tiers = f"{TIERS}      git_push: {{tier: admin, effect: write}}\n"
    constraints = "conditions:\n  c: {arguments: {m: {maxLength: 1}}}"
    found = findings(tmp_path, tiers=tiers, constraints=constraints)
    assert sorted(found) == [
        "warning 2 condition c is in no rule",
        "warning 5 git_push: no rule lets anybody reach it",
    ]


@pytest.mark.parametrize(
    ("rule", "warns"),
    [
        ("p, O1, *, *, *, *, *, *, *, -, hold:60", True),
        ("p, O1, data, git, git_log, *, *, *, *, long, hold:60", True),
        ("p, O1, *, *, *, *, *, *, *, writes, hold:60", False),
        ("p, O1, tool, *, *, *, *, *, *, -, hold:60", False),
        ("p, O1, *, *, *, *, *, *, *, -, approve", False),
    ],
)
def test_a_hold_that_denies_reads_is_a_warning(tmp_path: Path, rule: str, warns: bool) -> None:
    constraints = """conditions:
        long: {arguments: {m: {minLength: 9}}}
        writes: {effect: [write, destroy]}"""
    tiers = f"{TIERS}      git_add: {{tier: tool, effect: write}}\n"
    found = [f for f in findings(tmp_path, rule, tiers=tiers, constraints=constraints) if "O1" in f]
    said = "warning 3 O1 denies git_log (policies/tiers.yaml:4): a read cannot be held"
    assert found == [said] * warns


def test_an_argument_rule_makes_its_tier_reachable(tmp_path: Path) -> None:
    tiers = TIERS.replace(
        "effect: read}", "effect: read, raise: [{argument: x, matches: {const: 1}, tier: admin}]}"
    )
    assert findings(tmp_path, "p, D1, admin, git, git_log, *, *, *, *, -, deny", tiers=tiers) == []


def test_the_starter_policy_has_no_findings_for_its_servers() -> None:
    policy = load(ROOT / "policies", {})
    assert lint(policy, ["git", "time", "files", "memory"]) == []


def test_a_rule_on_trial_is_remembered_and_useless_behind_a_deny(tmp_path: Path) -> None:
    trial = "p, W1, *, git, git_log, *, *, *, *, -, would-deny"
    assert findings(tmp_path, trial) == ["warning 3 W1 is on trial: it denies nothing"]
    deny = "p, D1, *, git, git_log, *, *, local, *, -, deny"
    found = findings(tmp_path, deny.replace("local", "*"), trial.replace("git_log", "git_*"))
    assert [each for each in found if "W1 never" in each] == []
    found = findings(tmp_path, deny.replace("local", "*"), trial)
    assert "error 4 W1 never decides: D1 always does" in found


def test_a_rule_on_trial_beats_no_allow(tmp_path: Path) -> None:
    trial = "p, W1, *, *, *, *, *, *, *, -, would-deny"
    assert not [each for each in findings(tmp_path, trial) if "never decides" in each]


@pytest.mark.parametrize(
    ("tier", "effect", "lifts"),
    [("data", "read", False), ("data", "destroy", True), ("tool", "read", True)],
)
def test_an_argument_rule_that_lifts_nothing_is_an_error(
    tmp_path: Path, tier: str, effect: str, lifts: bool
) -> None:
    rule = f"{{argument: n, matches: {{pattern: x}}, tier: {tier}, effect: {effect}}}"
    tiers = TIERS.replace("effect: read}", f"effect: read, raise: [{rule}]}}")
    found = [one for one in findings(tmp_path, tiers=tiers) if "lifts nothing" in one]
    line = "error 4 git_log: raise by argument n lifts nothing"
    assert found == ([] if lifts else [line])


def test_an_intent_that_is_declared_nowhere_is_a_warning(tmp_path: Path) -> None:
    rules = [
        "p, D1, *, git, git_log, *, *, genral, *, -, deny",
        "p, P3, admin, git, undo:*, role:reader, local, undo, local, -, allow",
    ]
    without = findings(tmp_path, *rules)
    intents = "intents: {general: {tells: all, tiers: [data], tools: [git/*], seconds: 60}}\n"
    (tmp_path / "policies" / "intents.yaml").write_text(intents)
    found = findings(tmp_path, *rules)
    assert without == []
    assert found == ["warning 3 D1: intents.yaml declares no intent 'genral'"]
