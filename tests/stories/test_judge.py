"""The judge: every way a step can go wrong is seen, and the three laws hold at every step."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.record import State
from gateway.ports import CallRow
from gateway.stories import judge
from gateway.stories.agents import Heard
from gateway.stories.stage import Ran
from gateway.stories.story import Expected, Step
from tests.journals.calls import call_record

CALL = "abcdefghijklmnop"


def row(state: State, outcome: dict[str, Any] | None = None, **changes: str) -> CallRow:
    record = call_record(CALL, **{"agent": "agent:reader", "task": "T"} | changes)
    return CallRow(record, state, 0, 1, outcome or {})


def refused(reason: str, **changes: str) -> CallRow:
    return row(State.REFUSED, {"reason": reason, "detail": "why"}, **({"rule": ""} | changes))


def step(**expect: Any) -> Step:
    return Step.model_validate(
        {"says": "x", "agent": "reader", "at": "/mcp", "call": "git__git_log", "expect": expect},
        strict=False,
    )


def hears(reason: str, **more: Any) -> Heard:
    error = {"code": -32602, "message": "Not available", "data": {"reason": reason, "call": CALL}}
    return Heard("Not available (-32602)", error=error | more)


ANSWER = Heard("three commits")


def test_an_allowed_call_is_as_told() -> None:
    expected = step(allowed="P010", tier="data", says="commits")
    assert judge.of_call(expected, ANSWER, [row(State.APPLIED)]) == []


@pytest.mark.parametrize(
    ("expect", "heard", "record", "wrong"),
    [
        ({"allowed": "P020"}, ANSWER, row(State.APPLIED), "allowed by P010, not P020"),
        ({"allowed": "P010", "tier": "tool"}, ANSWER, row(State.APPLIED), "tier is data"),
        ({"allowed": "P010", "says": "four"}, ANSWER, row(State.APPLIED), "no 'four'"),
        ({"allowed": "P010"}, Heard("no", is_error=True), row(State.FAILED), "the call is failed"),
        ({"allowed": "P010"}, ANSWER, row(State.IN_DOUBT), "the call is in_doubt"),
        ({"allowed": "P010"}, hears("not_available"), refused("no_rule"), "refused: no_rule"),
        ({"refused": "no_rule"}, ANSWER, row(State.APPLIED), "it was allowed by P010"),
        ({"refused": "no_rule"}, hears("not_available"), refused("other_tier"), "as other_tier"),
        (
            {"refused": "denied_by_rule", "rule": "D010"},
            hears("not_available"),
            refused("denied_by_rule", rule="D011"),
            "refused by D011",
        ),
    ],
)
def test_what_is_not_as_told_is_said(
    expect: dict[str, Any], heard: Heard, record: CallRow, wrong: str
) -> None:
    assert wrong in "\n".join(judge.of_call(step(**expect), heard, [record]))


@pytest.mark.parametrize("count", [0, 2])
def test_a_call_has_one_record(count: int) -> None:
    problems = judge.of_call(step(allowed="P010"), ANSWER, [row(State.APPLIED)] * count)
    assert "records in the journal" in problems[0]


def test_a_refused_call_is_as_told() -> None:
    assert (
        judge.of_call(step(refused="no_rule"), hears("not_available"), [refused("no_rule")]) == []
    )


def test_an_agent_that_hears_why_it_may_not_has_heard_too_much() -> None:
    problems = judge.of_call(step(refused="no_rule"), hears("no_rule"), [refused("no_rule")])
    assert "heard neither not_available" in problems[0]


@pytest.mark.parametrize("leak", ["D010", "policies/policy.csv:12"])
def test_an_agent_that_hears_the_rule_or_its_line_has_heard_too_much(leak: str) -> None:
    heard = hears("not_available")
    assert heard.error is not None
    heard.error["data"]["note"] = f"see {leak}"
    expected = step(refused="denied_by_rule", rule="D010")
    problems = judge.of_call(expected, heard, [refused("denied_by_rule", rule="D010")])
    assert problems == [f"the agent heard {leak}"]


def test_the_wire_refuses_before_anybody_records() -> None:
    expected = step(http=401)
    assert judge.of_call(expected, Heard("no", 401), []) == []
    assert "status is 200" in judge.of_call(expected, Heard("yes", 200), [])[0]
    assert (
        "forwarded all the same"
        in judge.of_call(expected, Heard("no", 401), [row(State.APPLIED)])[0]
    )


def test_a_list_shows_neither_more_nor_less() -> None:
    heard = Heard("a, b", names=("a", "b"))
    assert judge.of_list(Expected(exactly=("b", "a")), heard) == []
    assert judge.of_list(Expected(shows=("a",), hides=("c",)), heard) == []
    assert judge.of_list(Expected(exactly=("a",)), heard) == ["shown: a, b"]
    assert judge.of_list(Expected(exactly=()), heard) == ["shown: a, b"]
    assert judge.of_list(Expected(shows=("c",)), heard) == ["c is missing"]
    assert judge.of_list(Expected(hides=("a",)), heard) == ["a is shown"]


def test_an_operators_command_ends_as_told() -> None:
    assert judge.of_operator(Expected(exit=2, says="stale"), Ran(2, "it is stale")) == []
    assert judge.of_operator(Expected(exit=0), Ran(2, "no"))
    assert judge.of_operator(Expected(exit=0, says="Approved"), Ran(0, "nothing to do"))


@pytest.mark.parametrize(
    ("expect", "refusal"),
    [({"allowed": "P010"}, False), ({"refused": "no_rule"}, True), ({"http": 400}, True)],
)
def test_a_refusal_must_leave_the_world_alone(expect: dict[str, Any], refusal: bool) -> None:
    assert judge.is_refusal(step(**expect)) is refusal
