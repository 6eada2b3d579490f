"""`bulkhead policy replay`, as an operator and a CI job run it."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from gateway.core.model import Target
from gateway.core.record import Line
from gateway.journals.protect import Protector
from gateway.policy import load
from gateway.policy.asking import Asked
from tests.cli.test_policy import bulkhead, home
from tests.journals import writing
from tests.policy.recording import recorded
from tests.policy.written import ALLOW, READER

C = "conditions: {c: {arguments: {m: {maxLength: 1}}}}"


def place(tmp_path: Path, csv: str = f"{ALLOW}\n{READER}\n", constraints: str = C) -> Path:
    """Settings, a policy, another one in `new`, and a journal of one call of the first."""
    (home(tmp_path, csv) / "policies" / "constraints.yaml").write_text(constraints)
    shutil.copytree(tmp_path / "policies", tmp_path / "new")
    return tmp_path


def write(place: Path, *lines: Line) -> None:
    asyncio.run(writing.write(place / ".bulkhead" / "journal.db", *lines))


def call(place: Path, call_id: str = "call01", **kept: object) -> Line:
    policy = load(place / "policies", {})
    asked = Asked("agent:ann", Target("git", "tool", "git_log"), {"m": "x"})
    return recorded(policy, asked, call_id, kept or None)


def test_the_same_policy_is_exit_0_and_a_deny_more_is_exit_1_with_both_places(
    tmp_path: Path,
) -> None:
    where = place(tmp_path)
    Protector.open(where / ".bulkhead")
    write(where, call(where))
    done = bulkhead(where, "replay", "policies")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 calls: 1 the same, 0 decided otherwise")
    with (where / "new" / "policy.csv").open("a") as file:
        file.write("p, D1, *, git, *, *, *, *, *, -, deny\n")
    done = bulkhead(where, "replay", "new")
    assert done.returncode == 1
    was = "allowed P1 (policies/policy.csv:1)"
    assert f"1  {was} -> denied D1 (new/policy.csv:3)" in done.stdout
    told = json.loads(bulkhead(where, "replay", "new", "--json").stdout)
    assert (told["calls"], told["changed"]) == (1, 1)
    assert told["groups"]["changed"][0]["calls"] == ["call01"]
    assert bulkhead(where, "replay", "new", "--since", "1h").returncode == 0  # it is older


def test_what_the_journal_did_not_keep_is_exit_3_and_what_is_sealed_is_looked_at(
    tmp_path: Path,
) -> None:
    where = place(tmp_path, f"{ALLOW.replace('-', 'c')}\n{READER}\n")
    sealed = Protector.open(where / ".bulkhead").seal("x")
    write(where, call(where, m=sealed))
    with (where / "new" / "policy.csv").open("a") as file:
        file.write("# another version\n")
    assert bulkhead(where, "replay", "new").returncode == 0
    write(where, call(where, "call02", m={"redacted": "0"}))
    done = bulkhead(where, "replay", "new")
    assert done.returncode == 3
    assert "not known: condition c" in done.stdout


def test_without_a_journal_or_a_policy_it_says_so(tmp_path: Path) -> None:
    where = place(tmp_path)
    assert "no journal here yet" in bulkhead(where, "replay", "new").stderr
    assert bulkhead(where, "replay", "nowhere").returncode == 2


def test_explain_says_what_a_recorded_call_depends_on_that_was_not_kept(tmp_path: Path) -> None:
    where = place(tmp_path, f"{ALLOW.replace('-', 'c')}\n{READER}\n")
    write(where, call(where, "call02", m={"redacted": "0"}), call(where, "call03"))
    told = bulkhead(where, "explain", "call02")
    assert "not kept  condition c: it may be decided otherwise" in told.stdout
    assert json.loads(bulkhead(where, "explain", "call03", "--json").stdout)["not_kept"] == []
