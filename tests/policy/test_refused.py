from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.record import State
from gateway.core.steps import STEPS
from gateway.policy import load
from gateway.policy.asking import Asked, ask, target
from gateway.policy.refused import Refusal, refusal
from gateway.policy.snapshot import PolicySnapshot
from gateway.ports import CallRow
from gateway.reasons import Reason
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
