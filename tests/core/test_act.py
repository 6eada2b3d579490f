"""What an act's record says, and what it leaves empty."""

from __future__ import annotations

import pytest

from gateway.core.act import of_act, outright, refusal
from gateway.core.model import Decision, Obligation
from gateway.errors import Where
from gateway.reasons import Reason
from gateway.values import as_plain


def test_an_act_has_what_is_said_of_it_and_nothing_of_a_call() -> None:
    made = of_act(
        "c1",
        "operator:ada",
        "fences/fenced",
        ({"why": "x"}, "sha256:d"),
        tenant="local",
        target="task t",
        rule=None,
        where=Where("policies/policy.csv", 3),
    )
    said = {name: value for name, value in as_plain(made).items() if value}
    assert said == {
        "call_id": "c1",
        "agent": "operator:ada",
        "tenant": "local",
        "method": "fences/fenced",
        "target": "task t",
        "where": "policies/policy.csv:3",
        "arguments": {"why": "x"},
        "arguments_digest": "sha256:d",
    }


HERE = Where("policies/policy.csv", 3)
DUTIES = tuple(Obligation(name, "O1", HERE) for name in ("approve", "hold"))
ALLOWED, DENIED = Reason.ALLOWED_BY_RULE, Reason.DENIED_BY_RULE


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision(False, Reason.NO_RULE, near_miss="P1 is near"), "no_rule: undo:put; P1 is near"),
        (Decision(False, DENIED, "D1", HERE), "denied_by_rule: undo:put"),
        (
            Decision(True, ALLOWED, "P1", HERE, obligations=DUTIES),
            "denied_by_rule: undo:put; unfulfilled obligation: approve, hold",
        ),
    ],
)
def test_an_act_that_is_not_permitted_outright_is_refused_and_says_why(
    decision: Decision, said: str
) -> None:
    no = refusal(decision, "undo:put")
    assert not outright(decision) and outright(Decision(True, ALLOWED))
    assert (str(no), no.where, no.rule) == (said, decision.where, decision.rule or "")
