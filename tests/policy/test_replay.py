from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core import record
from gateway.core.model import Target
from gateway.policy.asking import Asked
from gateway.policy.recalled import Answer
from gateway.policy.rehearse import Possible, Rehearsal
from gateway.policy.replay import compare, replay
from tests.journals.calls import call_record, intent, outcome, refusal
from tests.policy.recording import kept, recorded
from tests.policy.written import ALLOW, READER, loaded

ALLOWED = Answer(True, "P1", "a:1")
DENIED = Answer(False, "D1", "a:2")
WITH_DUTY = Answer(True, "P1", "a:1", frozenset({"O1=approve"}))
RENAMED = Answer(True, "P1", "a:1", frozenset({"O2=approve"}))
HELD = Answer(True, "P1", "a:1", frozenset({"O1=hold:60"}))
OF_BEFORE = Answer(True, "P1", "a:1", frozenset({"O1"}))
THEN = Answer(True, "", "", None, "outside_grant")


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (ALLOWED, {ALLOWED}, "same"),
        (ALLOWED, {Answer(True, "P2")}, "same"),
        (DENIED, {Answer(False, "no_rule")}, "same"),
        (ALLOWED, {DENIED}, "changed"),
        (DENIED, {ALLOWED}, "changed"),
        (ALLOWED, {WITH_DUTY}, "changed"),
        (WITH_DUTY, {ALLOWED}, "changed"),
        (ALLOWED, {DENIED, WITH_DUTY}, "changed"),
        (ALLOWED, {ALLOWED, DENIED}, "untold"),
        (THEN, {ALLOWED}, "same"),
        (THEN, {DENIED}, "changed"),
        (THEN, {WITH_DUTY}, "untold"),
        (None, {ALLOWED}, "untold"),
        (WITH_DUTY, {WITH_DUTY}, "same"),
        (WITH_DUTY, {RENAMED}, "same"),
        (WITH_DUTY, {HELD}, "changed"),
        (OF_BEFORE, {OF_BEFORE}, "same"),
        (OF_BEFORE, {ALLOWED}, "changed"),
        (OF_BEFORE, {WITH_DUTY}, "untold"),
    ],
)
def test_old_and_new_are_the_same_changed_or_cannot_be_told(
    old: Answer | None, new: set[Answer], kind: str
) -> None:
    told, why = compare(old, Possible(frozenset(new), ("its level",)))
    assert told == kind
    assert bool(why) == (kind == "untold")


def test_calls_are_counted_by_old_and_new_rule_with_their_places_and_some_ids(
    tmp_path: Path,
) -> None:
    policy = loaded(tmp_path)
    log = Asked("agent:ann", Target("git", "tool", "git_log"))
    stranger = Asked("agent:bob", Target("git", "tool", "git_log"))
    lines = [recorded(policy, log, f"call{n}") for n in range(5)] + [recorded(policy, stranger)]
    deny = "p, D1, *, git, git_log, *, *, *, *, -, deny"
    new = loaded(tmp_path, f"{ALLOW}\n{READER}\n{deny}\n")
    done = replay(Rehearsal(new, {}), kept(*lines))
    assert done.counts == {"same": 1, "changed": 5, "untold": 0, "beside": 0}
    (group,) = done.groups("changed")
    assert (group.old, group.old_where) == ("allowed P1", "policies/policy.csv:1")
    assert (group.new, group.new_where) == ("denied D1", "policies/policy.csv:3")
    assert (group.count, group.calls) == (5, ["call0", "call1", "call2"])
    (same,) = done.groups("same")
    assert (same.old, same.new) == ("denied no_rule", "denied D1")


def test_an_unchanged_policy_changes_nothing_also_where_something_was_not_kept(
    tmp_path: Path,
) -> None:
    constraints = "conditions: {c: {arguments: {m: {maxLength: 1}}}}"
    policy = loaded(tmp_path, f"{ALLOW.replace('-', 'c')}\n{READER}\n", constraints=constraints)
    asked = Asked("agent:ann", Target("git", "tool", "git_log"), {"m": "x"})
    line = recorded(policy, asked, kept={"m": {"redacted": "x"}})
    assert replay(Rehearsal(policy, {}), kept(line)).counts["same"] == 1
    other = loaded(tmp_path, f"{ALLOW.replace('-', 'c')}\n{READER}\n# another version\n")
    done = replay(Rehearsal(other, {}), kept(line))
    assert done.counts["untold"] == 1
    assert done.groups("untold")[0].why == "condition c"


def test_an_unchanged_policy_changes_nothing_of_a_call_that_was_to_wait_for_a_person(
    tmp_path: Path,
) -> None:
    duty = "p, O1, *, git, git_log, *, *, *, *, -, approve"
    policy = loaded(tmp_path, f"{ALLOW}\n{READER}\n{duty}\n")
    entry = call_record("a", agent="agent:ann", policy_version=policy.version, rule="", where="")
    line = record.refusal(entry, 1, "approval_needed", "")
    assert replay(Rehearsal(policy, {}), kept(line)).counts["same"] == 1
    other = loaded(tmp_path, f"{ALLOW}\n{READER}\n{duty}\n# another version\n")
    assert replay(Rehearsal(other, {}), kept(line)).counts["untold"] == 1


def test_what_is_no_call_is_not_counted_and_what_never_came_to_a_policy_apart(
    tmp_path: Path,
) -> None:
    lines = [intent("a"), outcome("a"), refusal("b", tier=""), intent("c", agent="bulkhead:undo")]
    done = replay(Rehearsal(loaded(tmp_path), {}), kept(*lines))
    assert done.counts == {"same": 0, "changed": 1, "untold": 0, "beside": 2}
    assert done.total == 3
