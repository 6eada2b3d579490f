"""`bulkhead policy diff`, as an operator and a CI job run it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_policy import bulkhead
from tests.cli.test_policy_replay import place


def test_two_that_decide_alike_are_exit_0_and_a_difference_is_exit_1_with_where_it_is(
    tmp_path: Path,
) -> None:
    where = place(tmp_path)
    done = bulkhead(where, "diff", "policies", "new")
    assert (done.returncode, done.stdout) == (0, "0 decisions and 0 entries differ\n")
    with (where / "new" / "policy.csv").open("a") as file:
        file.write("p, D1, *, git, *, *, *, *, *, c, deny\n")
    with (where / "new" / "tiers.yaml").open("a") as file:
        file.write("      git_push: {tier: admin, effect: destroy}\n")
    done = bulkhead(where, "diff", "policies", "new")
    assert done.returncode == 1
    assert "allowed P1 (policies/policy.csv:1) -> denied D1 (new/policy.csv:3)" in done.stdout
    assert "    who          agent:ann in local, role:reader in local\n" in done.stdout
    assert "    when         c holds or cannot be told\n" in done.stdout
    entry = "git tools git_push: no class -> admin, destroy, to local (new/tiers.yaml:5)"
    assert entry in done.stdout
    told = json.loads(bulkhead(where, "diff", "policies", "new", "--json").stdout)
    assert told["decisions"][0]["new"] == {
        "answer": "denied",
        "rule": "D1",
        "where": "new/policy.csv:3",
    }
    assert told["decisions"][0]["tool"] == ["git_log"]
    assert told["entries"][0]["what"] == "git tools git_push"


def test_a_directory_that_is_no_policy_is_exit_2(tmp_path: Path) -> None:
    where = place(tmp_path)
    (where / "empty").mkdir()
    assert bulkhead(where, "diff", "policies", "empty").returncode == 2
    assert bulkhead(where, "diff", "policies", "nowhere").returncode == 2
