"""`bulkhead policy test --mutate`, as an operator and a CI job run it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_policy import CASE, bulkhead, home
from tests.policy.written import ALLOW, READER, TIERS


def place(tmp_path: Path, case: str = CASE) -> Path:
    where = home(tmp_path, cases=case)
    tiers = f"{TIERS}      git_show: {{tier: data, effect: read}}\n"
    (where / "policies" / "tiers.yaml").write_text(tiers)
    return where


def test_a_change_no_case_notices_is_exit_1_with_its_place(tmp_path: Path) -> None:
    done = bulkhead(place(tmp_path), "test", "--mutate")
    assert done.returncode == 1
    assert "survived: policies/policy.csv:1: P1 tool -> *: no case fails" in done.stdout
    assert done.stdout.endswith("3 mutants, 1 survived\n")
    assert bulkhead(tmp_path, "test").returncode == 0
    told = json.loads(bulkhead(tmp_path, "test", "--mutate", "--json").stdout)
    assert told["mutants"] == 3
    assert told["survivors"] == [
        {"rule": "P1", "change": "tool -> *", "where": "policies/policy.csv:1"}
    ]


def test_where_a_case_notices_each_it_is_exit_0_and_where_cases_fail_nothing_is_tried(
    tmp_path: Path,
) -> None:
    other = CASE.split("\n")[1].replace("git_log", "git_show").replace("allow", "deny")
    both = CASE + other.replace("P1", "no_rule") + "\n"
    done = bulkhead(place(tmp_path, both), "test", "--mutate")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "3 mutants, 0 survived")
    failing = bulkhead(place(tmp_path, CASE.replace("P1", "P7")), "test", "--mutate")
    assert failing.returncode == 1
    assert "mutants" not in failing.stdout
    assert f"{ALLOW}\n{READER}" in (tmp_path / "policies" / "policy.csv").read_text()
