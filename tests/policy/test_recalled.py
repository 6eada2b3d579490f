from __future__ import annotations

from typing import Any

import pytest

from gateway.core import record
from gateway.policy.recalled import BESIDE, HIDDEN, Answer, Recalled, recall
from gateway.ports import EventRow
from gateway.values import replace
from tests.journals.calls import NOON, call_record, intent, outcome, refusal
from tests.policy.recording import row


def recalled(line: record.Line, unseal: Any = None) -> Recalled:
    call = recall(row(line), unseal)
    assert isinstance(call, Recalled)
    return call


def test_an_intent_was_allowed_by_its_rule_with_its_duties() -> None:
    call = recalled(intent("a", duties="O1 O2"))
    assert call.answer == Answer(True, "P010", "policies/policy.csv:12", frozenset({"O1", "O2"}))
    assert (call.level, call.veiled) == ("read", False)
    assert call.arguments == {"repo_path": "/srv/x", "max_count": 3}


@pytest.mark.parametrize(
    ("reason", "rule", "answer"),
    [
        ("no_rule", "", Answer(False, "no_rule")),
        ("denied_by_rule", "D1", Answer(False, "D1")),
        ("not_reversible", "D1", Answer(False, "D1")),
        ("not_reversible", "P1", Answer(True, "P1", "", None, "could not be held")),
        ("grant_needed", "", Answer(False, "grant_needed")),
        ("outside_grant", "", Answer(True, "", "", None, "outside_grant")),
        ("invalid_arguments", "", Answer(True, "", "", None, "invalid_arguments")),
        ("denied_by_rule", "O1", Answer(True, "", "", None, "a duty unfulfilled")),
        ("internal", "", None),
    ],
)
def test_a_refusal_tells_whether_it_was_the_policys(
    reason: str, rule: str, answer: Answer | None
) -> None:
    line = record.refusal(call_record("a", rule=rule, where=""), NOON, reason, "")
    assert recalled(line).answer == answer


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("unknown_target", {"tier": ""}),
        ("bad_token", {"agent": "", "tier": ""}),
        ("fenced", {"tier": ""}),
        ("no_rule", {"agent": "bulkhead:undo"}),
        ("outside_grant", {"server": "bulkhead", "target": "grants:create", "tier": "admin"}),
    ],
)
def test_what_never_came_to_a_policy_is_beside(reason: str, changes: dict[str, str]) -> None:
    line = record.refusal(call_record("a", **changes), NOON, reason, "")
    assert recall(row(line)) == BESIDE


def test_a_call_without_a_class_was_the_policys_no() -> None:
    line = record.refusal(call_record("a", tier="", rule="", where=""), NOON, "unclassified", "")
    assert recalled(line).answer == Answer(False, "unclassified")


def test_later_lines_and_words_of_operators_begin_no_call() -> None:
    assert recall(row(outcome("a"))) is None
    noted = record.noted(call_record("a"), NOON, {}, ())
    assert recall(row(noted)) is None


def test_the_level_is_that_of_the_decision() -> None:
    write = call_record("a", effect="write")
    undo = {"undo": {"level": "exact", "guard": "cas"}}
    assert recalled(record.intent(write, NOON, undo))[4:6] == ("exact", "cas")
    assert recalled(record.intent(write, NOON))[4:6] == (None, None)
    known = {"level": "none", "guard": "none"}
    assert recalled(record.refusal(write, NOON, "not_reversible", "", known))[4:6] == (
        "none",
        "none",
    )
    # A held call's line tells of the call not yet sent.
    assert recalled(record.held(write, NOON, undo))[4:6] == (None, None)


@pytest.mark.parametrize(
    ("grant", "reason", "granted"),
    [
        ("g1", "approval_needed", True),
        ("", "outside_grant", True),
        ("", "grant_needed", False),
        ("", "no_rule", None),
        ("", "approval_needed", None),
    ],
)
def test_whether_a_refused_call_had_a_grant_is_known_where_one_was_looked_for(
    grant: str, reason: str, granted: bool | None
) -> None:
    entry = call_record("a", grant=grant, rule="", where="")
    assert recalled(record.refusal(entry, NOON, reason, "")).granted is granted
    assert recalled(intent("a", grant=grant)).granted is bool(grant)


KEPT = {
    "a": 1,
    "s": {"sealed": "x"},
    "r": {"redacted": "y"},
    "deep": {"list": [1, {"redacted": "y"}]},
}


def test_what_was_not_kept_is_hidden_and_what_can_be_opened_is_opened() -> None:
    line = intent("a", arguments=KEPT)
    call = recalled(line)
    assert call.veiled
    assert [call.hides(name) for name in ("a", "s", "r", "deep", "/deep/list/0", "absent")] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert call.hides("/deep/list/1") and call.hides("/s/inner")
    opened = recalled(line, lambda kept: f"opened {kept['sealed']}")
    assert opened.arguments["s"] == "opened x" and not opened.hides("s")
    assert opened.hides("r")


def test_what_cannot_be_opened_stays_hidden() -> None:
    def locked(kept: Any) -> Any:
        raise ValueError("another key")

    assert recalled(intent("a", arguments=KEPT), locked).hides("s")


def test_arguments_that_were_not_kept_at_all_hide_everything() -> None:
    call = recalled(intent("a", arguments={"redacted": "y", "bytes": 9}))
    assert call.arguments is HIDDEN and call.hides("anything") and call.hides("/at/all")


def test_a_tool_is_one_whatever_its_name_imitates() -> None:
    assert recalled(intent("a", target="prompt:x")).target.kind == "tool"
    assert recalled(intent("a", target="prompt:x", method="prompts/get")).target.kind == "prompt"


def test_a_name_that_may_be_cut_or_disguised_is_no_name() -> None:
    assert not recalled(intent("a")).nameless
    assert recalled(intent("a", target="x" * 5_000)).nameless
    secret = {"uri": {"sealed": "x"}}
    assert recalled(intent("a", method="resources/read", arguments=secret)).nameless


def test_lone_surrogates_are_read_as_they_were_written() -> None:
    call = recalled(intent("a", arguments={"text": "\ud800"}))
    assert call.arguments == {"text": "\ud800"}


def test_a_line_of_before_there_were_duties_can_be_read() -> None:
    stored = row(refusal("a"))
    bare = stored.body.replace(b',"duties":"","shadows":""', b"")
    assert bare != stored.body
    call = recall(replace(stored, body=bare))
    assert isinstance(call, Recalled) and isinstance(stored, EventRow)


def test_what_a_forced_undo_overwrites_was_decided_by_no_rule_of_its_own() -> None:
    overwritten = intent("a", agent="operator:ada", rule="", where="for call b")
    assert recall(row(overwritten)) == BESIDE
