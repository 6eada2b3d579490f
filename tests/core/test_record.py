"""The table of states, and the only way to a permit."""

from __future__ import annotations

from typing import get_args

import pytest

from gateway.core import record
from gateway.core.model import Effect, OutcomeKind
from gateway.core.record import (
    MOVES,
    OUTCOME_STATE,
    IllegalMove,
    Line,
    Permit,
    Queued,
    Sealed,
    State,
    move,
    permit,
)
from gateway.values import replace
from tests.journals.calls import NOON, call_record

INTENT_SEALED = Sealed("call-1", State.INTENT, 7)
INTENT_QUEUED = Queued("call-1", State.INTENT)

ANSWERS = (State.APPLIED, State.FAILED, State.REJECTED, State.NO_EFFECT)
LEGAL = {
    (None, State.REFUSED),
    (None, State.NOTED),
    (None, State.INTENT),
    (None, State.HELD),
    *((State.HELD, to) for to in (State.HELD, State.INTENT, State.REFUSED, State.CANCELLED)),
    *((State.INTENT, to) for to in (*ANSWERS, State.IN_DOUBT)),
    *((State.IN_DOUBT, to) for to in (*ANSWERS, State.NOT_APPLIED, State.NEEDS_HUMAN)),
    *((State.NEEDS_HUMAN, to) for to in (*ANSWERS, State.NOT_APPLIED)),
    (None, State.UNDOING),
    (State.UNDOING, State.UNDOING),
    (State.UNDOING, State.UNDONE),
}


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize("current", [None, *State])
def test_a_move_is_made_if_and_only_if_it_is_legal(current: State | None, to: State) -> None:
    if (current, to) in LEGAL:
        assert move(current, to) is to
    else:
        with pytest.raises(IllegalMove):
            move(current, to)


def test_the_table_speaks_of_every_state() -> None:
    assert set(MOVES) == {None, *State}


def test_every_outcome_has_its_state_and_can_follow_an_intent() -> None:
    assert set(OUTCOME_STATE) == set(get_args(OutcomeKind))
    assert set(OUTCOME_STATE.values()) == MOVES[State.INTENT] - {State.NO_EFFECT}


def test_no_call_that_was_refused_or_answered_can_move_again() -> None:
    ends = {state for state, onwards in MOVES.items() if not onwards}
    assert ends == {
        State.NOTED,
        State.REFUSED,
        State.CANCELLED,
        *ANSWERS,
        State.NOT_APPLIED,
        State.UNDONE,
    }


@pytest.mark.parametrize("effect", Effect)
def test_a_durable_intent_permits_any_effect(effect: Effect) -> None:
    given = permit(INTENT_SEALED, effect)
    assert (given.call_id, given.effect) == ("call-1", effect)


def test_a_queued_intent_permits_a_read() -> None:
    assert permit(INTENT_QUEUED, Effect.READ).effect is Effect.READ


@pytest.mark.parametrize("effect", [Effect.WRITE, Effect.DESTROY])
def test_a_queued_intent_permits_no_write(effect: Effect) -> None:
    with pytest.raises(IllegalMove, match="durable"):
        permit(INTENT_QUEUED, effect)


@pytest.mark.parametrize("kind", [state for state in State if state is not State.INTENT])
def test_no_other_line_permits_anything(kind: State) -> None:
    for line in (Sealed("call-1", kind, 7), Queued("call-1", kind)):
        with pytest.raises(IllegalMove):
            permit(line, Effect.READ)


def test_a_permit_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Permit("call-1", Effect.READ, object())
    with pytest.raises(TypeError):
        Permit("call-1", Effect.READ, None)


def test_a_permit_cannot_be_made_into_one_for_another_call() -> None:
    given = permit(INTENT_QUEUED, Effect.READ)
    with pytest.raises(TypeError):
        replace(given, call_id="call-2")


def test_the_first_lines_carry_the_record_and_the_later_ones_only_name_the_call() -> None:
    asked = call_record("call-1")
    assert record.intent(asked, NOON) == Line("call-1", State.INTENT, NOON, {}, asked)
    assert record.refusal(asked, NOON, "no_rule", "why") == Line(
        "call-1", State.REFUSED, NOON, {"reason": "no_rule", "detail": "why"}, asked
    )
    assert record.outcome("call-1", NOON, "ok", {"digest": "d"}) == Line(
        "call-1", State.APPLIED, NOON, {"outcome": "ok", "digest": "d"}
    )
