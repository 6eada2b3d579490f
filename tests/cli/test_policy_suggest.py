"""`bulkhead policy suggest`, as an operator runs it, and what can be done with what it writes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from gateway.journals.protect import Protector
from tests.cli.test_policy import bulkhead
from tests.cli.test_policy_replay import call, place, write
from tests.policy.written import ALLOW, READER, TIERS


def test_what_was_called_is_printed_as_rules_that_can_be_tested_compared_and_replayed(
    tmp_path: Path,
) -> None:
    where = place(tmp_path, f"{ALLOW.replace('git_log', 'git_*')}\n{READER}\n")
    for directory in ("policies", "new"):
        tiers = f"{TIERS}      git_show: {{tier: data, effect: read}}\n"
        (where / directory / "tiers.yaml").write_text(tiers)
    Protector.open(where / ".bulkhead")
    write(where, call(where), call(where, "call02"))
    done = bulkhead(where, "suggest", "--agent", "ann", "--into", "least")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "# Take out: g, agent:ann, role:reader, local (policies/policy.csv:2)" in lines
    day = date.fromtimestamp(0)  # here: it is the day before in half of the world
    assert f"# git_log: 2 calls, {day}: call01 call02" in lines
    assert "p, Pann.1, data, git, git_log, role:ann, local, general, local, -, allow" in lines
    assert "g, agent:ann, role:ann, local" in lines
    assert bulkhead(where, "replay", "least").returncode == 0
    difference = bulkhead(where, "diff", "policies", "least")
    assert "allowed P1 (policies/policy.csv:1) -> denied no_rule" in difference.stdout
    assert "    tool         git_show" in difference.stdout
    again = bulkhead(where, "suggest", "--agent", "agent:ann", "--json")
    told = json.loads(again.stdout)
    assert told["rules"][0]["behind"] == [{"id": "P1", "where": "policies/policy.csv:1"}]
    assert told["rules"][0]["tools"]["git_log"]["count"] == 2
    assert [one["where"] for one in told["take_out"]] == [
        "policies/policy.csv:2",
        "policies/policy.csv:1",
    ]


def test_an_agent_that_did_nothing_gets_nothing_and_an_existing_directory_is_left_alone(
    tmp_path: Path,
) -> None:
    where = place(tmp_path)
    Protector.open(where / ".bulkhead")
    write(where, call(where))
    done = bulkhead(where, "suggest", "--agent", "bob")
    assert done.returncode == 0
    assert "p, " not in done.stdout and "0 calls" in done.stdout
    taken = bulkhead(where, "suggest", "--agent", "ann", "--into", "new")
    assert taken.returncode == 2
    assert "cannot be written" in taken.stderr


def test_a_name_no_policy_could_hold_is_no_agent(tmp_path: Path) -> None:
    where = place(tmp_path)
    done = bulkhead(where, "suggest", "--agent", "x, role:admin, local\ng, agent:y")
    assert done.returncode == 2
    assert "is no agent a policy could name" in done.stderr


def test_what_operators_may_do_is_not_mined_from_calls(tmp_path: Path) -> None:
    """An approval is no call: a suggestion would take away the right to give one."""
    done = bulkhead(place(tmp_path), "suggest", "--agent", "operator:ada")
    assert done.returncode == 2
    assert "operators' rules are not suggested" in done.stderr
