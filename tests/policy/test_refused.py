from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.approval import MOST_WAITING, answer_to
from gateway.core.record import State
from gateway.core.steps import STEPS
from gateway.errors import Refused
from gateway.policy import load
from gateway.policy.asking import Asked, ask, target
from gateway.policy.refused import Refusal, refusal
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow
from gateway.reasons import Reason
from tests.core.test_approval import ticket
from tests.journals.calls import call_record
from tests.policy.written import ALLOW, READER, written

INTENTS = """\
intents:
  audit: {tells: Look., tiers: [data], tools: [git/git_log], seconds: 60}
  repair: {tells: Mend., tiers: [data], tools: ["git/*"], destinations: [git.example], seconds: 60}
"""
NAMES = ("git__git_log", "git__git_status", "time__now")


def policy_at(tmp_path: Path, intents: str = INTENTS) -> PolicySnapshot:
    directory = written(tmp_path, f"{ALLOW}\n{READER}\n")
    (directory / "intents.yaml").write_text(intents)
    return load(directory, {})


def row(reason: str, detail: str = "", state: State = State.REFUSED, **facts: Any) -> CallRow:
    return CallRow(
        call_record("c", **{"agent": "agent:ann", "task": "T"} | facts),
        state,
        0,
        0,
        {"reason": reason, "detail": detail},
    )


def explained(policy: PolicySnapshot, one: CallRow) -> Refusal | None:
    asked = Asked(one.record.agent, target("git", one.record.target))
    return refusal(policy, one, ask(policy, asked).classified, NAMES)


@pytest.mark.parametrize("reason", STEPS)
def test_every_kind_of_refusal_names_its_step_and_what_was_said(
    tmp_path: Path, reason: Reason
) -> None:
    told = explained(policy_at(tmp_path), row(reason, "as it was"))
    assert told is not None
    assert (told.reason, told.step, told.detail) == (reason, STEPS[reason], "as it was")


def test_an_unknown_name_has_a_nearest_one(tmp_path: Path) -> None:
    told = explained(policy_at(tmp_path), row("unknown_target", target="git__git_lgo"))
    assert told is not None
    assert told.near == "closest approved name: git__git_log"


def test_an_unknown_grant_is_looked_for_among_grants_and_not_among_tools(tmp_path: Path) -> None:
    one = row("unknown_target", "no grant g1", server="bulkhead", target="grants:show")
    told = explained(policy_at(tmp_path), one)
    assert told is not None
    assert (told.step, told.near) == (STEPS[Reason.GRANT_OVER], "")


@pytest.mark.parametrize("reason", ["grant_needed", "outside_grant"])
def test_what_a_grant_does_not_cover_names_the_intent_that_could(
    tmp_path: Path, reason: str
) -> None:
    told = explained(policy_at(tmp_path), row(reason))
    assert told is not None
    assert told.near == "a grant could give it, for intent audit"


def test_what_no_intent_gives_names_the_closest_and_what_it_lacks(tmp_path: Path) -> None:
    intents = INTENTS.replace("git/git_log", "git/git_show")
    told = explained(policy_at(tmp_path, intents), row("outside_grant"))
    assert told is not None
    assert told.near == "no declared intent gives it; closest: repair, without destination local"


def test_what_was_not_refused_has_no_refusal(tmp_path: Path) -> None:
    assert explained(policy_at(tmp_path), row("", state=State.APPLIED)) is None


@pytest.mark.parametrize(
    ("rules", "near"),
    [
        (
            "p, P1, data, git, git_log, role:reader, local, general, local, -, allow",
            "closest: P1 (policies/policy.csv:1) fails on tool git_log",
        ),
        (
            "p, P1, data, git, git_log, role:other, local, general, local, -, allow\n"
            "p, P2, tool, git, git_show, role:reader, local, general, local, -, allow\n"
            "p, D1, data, git, git_show, *, *, *, *, -, deny\n"
            "g, agent:bob, role:other, local",
            "closest: P2 (policies/policy.csv:2) fails on tier tool",
        ),
        (
            "p, P1, data, time, now, role:reader, local, general, local, -, allow",
            "no rule allows anything of git",
        ),
        ("p, P1, data, git, git_show, role:reader, local, audit, local, -, allow", ""),
    ],
)
def test_what_no_rule_names_has_a_nearest_rule_all_the_same(
    tmp_path: Path, rules: str, near: str
) -> None:
    tiers = (
        "servers:\n"
        "  git: {tools: {git_log|git_show: {tier: data, effect: read}}}\n"
        "  time: {tools: {now: {tier: data, effect: read}}}\n"
    )
    policy = load(written(tmp_path, f"{rules}\n{READER}\n", tiers), {})
    told = explained(policy, row("no_rule", target="git_show"))
    assert told is not None
    assert told.near.replace(str(tmp_path), "") == near


def test_too_many_tickets_are_refused_where_approval_is_asked(tmp_path: Path) -> None:
    waiting = [ticket(f"t{number}", digest=f"pay {number}") for number in range(MOST_WAITING)]
    with pytest.raises(Refused) as no:
        answer_to(ticket("new", digest="pay eve"), waiting)
    told = explained(policy_at(tmp_path), row("overloaded", no.value.detail))
    assert told is not None
    assert (told.step.number, told.step.name) == (9, "approve")
