from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.policy import cases, load
from tests.policy.written import ALLOW, READER, written

ROOT = Path(__file__).parents[2]
GOOD = "tells: x, agent: 'agent:ann', server: git, tool: git_log, expect: allow, rule: P1"


def results(home: Path, *texts: str) -> list[cases.Result]:
    lines = "".join(f"  - {{{text}}}\n" for text in texts)
    directory = written(home, f"{ALLOW}\n{READER}\n", cases=f"cases:\n{lines}")
    return list(cases.run(load(directory, {})))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("", ""), ""),
        (("rule: P1", "rule: P1, tier: data, effect: read, destination: local"), ""),
        (("agent:ann", "agent:bob"), "got deny by no_rule (closest: P1"),
        (("rule: P1", "rule: P2"), "expected allow by P2, got allow by P1"),
        (("rule: P1", "rule: P1, tier: tool"), "expected tier tool, got data"),
        (("git_log", "git_push"), "got deny by unclassified"),
        (("rule: P1", "rule: P1, duties: [O1]"), "expected the duties O1, got none"),
        (("allow, rule: P1", "deny, rule: no_rule"), "expected deny by no_rule, got allow by P1"),
    ],
)
def test_a_case_says_what_was_expected_and_what_came(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    (result,) = results(tmp_path, GOOD.replace(*change))
    assert problem in result.problem
    assert bool(problem) == bool(result.problem)
    assert result.where.line == 2


def test_a_case_says_for_whom_its_agent_acts(tmp_path: Path) -> None:
    asks = "arguments: {owner: 'user:ada'}"
    lines = [f"{GOOD}, {asks}, on_behalf_of: 'user:ada'", f"{GOOD}, {asks}"]
    directory = written(
        tmp_path,
        f"{ALLOW.replace('-', 'theirs')}\n{READER}\n",
        constraints="conditions: {theirs: {arguments: {owner: {equals: on_behalf_of}}}}",
        cases="cases:\n" + "".join(f"  - {{{line}}}\n" for line in lines),
    )
    problems = [result.problem for result in cases.run(load(directory, {}))]
    assert problems[0] == ""
    assert "fails on when theirs" in problems[1]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("rule: P1", "rule: D1"),
        GOOD.replace("rule: P1", "rule: no_rule"),
        GOOD.replace("allow", "deny"),
        GOOD.replace("allow", "maybe"),
        GOOD.replace("agent:ann", "ann"),
        GOOD.replace("tells: x", "tels: x"),
        GOOD.replace(", rule: P1", ""),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_with_file_and_line(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        results(tmp_path, GOOD, text)
    assert caught.value.where is not None
    assert caught.value.where.line == 3


def test_a_rule_no_case_is_decided_by_is_found(tmp_path: Path) -> None:
    extra = "p, D1, *, *, git_push, *, *, *, *, -, deny"
    directory = written(
        tmp_path, f"{ALLOW}\n{READER}\n{extra}\n", cases=f"cases:\n  - {{{GOOD}}}\n"
    )
    policy = load(directory, {})
    assert [str(error.where) for error in cases.unreached(policy, cases.run(policy))] == [
        "policies/policy.csv:3"
    ]


def test_no_cases_reach_no_rule(tmp_path: Path) -> None:
    policy = load(written(tmp_path), {})
    assert cases.run(policy) == []
    assert len(cases.unreached(policy, [])) == 1


def test_the_starter_policy_passes_its_own_cases_and_each_rule_decides_one() -> None:
    policy = load(ROOT / "policies", {})
    played = cases.run(policy)
    assert [result.problem for result in played if result.problem] == []
    assert cases.unreached(policy, played) == []


@pytest.mark.parametrize(
    ("said", "problem"), [("duties: [O1]", ""), ("tier: data", "expected the duties none, got O1")]
)
def test_a_case_names_every_duty_of_its_call(tmp_path: Path, said: str, problem: str) -> None:
    duty = "p, O1, *, *, *, *, *, *, *, -, approve"
    directory = written(
        tmp_path,
        f"{ALLOW}\n{READER}\n{duty}\n",
        cases=f"cases:\n  - {{{GOOD}, {said}}}\n",
    )
    policy = load(directory, {})
    (result,) = cases.run(policy)
    assert result.problem == problem
    assert not cases.unreached(policy, [result])


def test_a_case_names_every_rule_on_trial(tmp_path: Path) -> None:
    csv = f"{ALLOW}\n{READER}\np, W1, *, *, *, *, *, *, *, -, would-deny\n"
    for said, problem in ((", shadows: [W1]", ""), ("", "expected the shadows none, got W1")):
        directory = written(tmp_path, csv, cases=f"cases:\n  - {{{GOOD}{said}}}\n")
        policy = load(directory, {})
        (result,) = cases.run(policy)
        assert result.problem == problem
        assert not cases.unreached(policy, [result])
