"""What this process remembers of calls that others may move on."""

from __future__ import annotations

import pytest

from gateway.core.record import FIRST, LATER, MOVES, IllegalMove, Line, State
from gateway.journals.opencalls import KEPT, OpenCalls
from tests.journals.calls import NOON, call_record


@pytest.mark.parametrize(
    ("was", "to"), [(State.HELD, State.APPLIED), (State.INTENT, State.NOT_APPLIED)]
)
def test_whether_a_call_was_moved_on_by_another_process_is_for_the_store_to_say(
    was: State, to: State
) -> None:
    open_calls = OpenCalls()
    open_calls.take(Line("a", was, NOON, {}, call_record("a")))
    open_calls.take(Line("a", to, NOON, {}))
    assert len(open_calls) == 0


def test_calls_in_doubt_are_not_remembered_as_nobody_may_ever_settle_them() -> None:
    open_calls = OpenCalls()
    open_calls.take(Line("a", State.INTENT, NOON, {}, call_record("a")))
    open_calls.take(Line("a", State.IN_DOUBT, NOON, {}))
    assert len(open_calls) == 0


def test_held_calls_are_not_remembered_as_whoever_takes_them_back_may_be_another_process() -> None:
    open_calls = OpenCalls()
    open_calls.take(Line("a", State.HELD, NOON, {}, call_record("a")))
    assert len(open_calls) == 0
    open_calls.take(Line("a", State.HELD, NOON, {}))
    open_calls.take(Line("a", State.INTENT, NOON, {}))
    assert len(open_calls) == 0


@pytest.mark.parametrize("begins", [True, False], ids=["first line", "later line"])
@pytest.mark.parametrize("was", [None, *sorted(KEPT)])
def test_every_line_is_taken_or_refused_by_the_table_of_moves(
    was: State | None, begins: bool
) -> None:
    record = call_record("a")
    for to in State:
        open_calls = OpenCalls()
        if was is not None:
            open_calls.take(Line("a", was, NOON, {}, record))
        expected: State | None = to if to in KEPT and to in MOVES[was] else None
        if to not in (FIRST if begins else LATER) or (begins and was is not None):
            with pytest.raises(IllegalMove):
                open_calls.take(Line("a", to, NOON, {}, record if begins else None))
            expected = was
        else:
            open_calls.take(Line("a", to, NOON, {}, record if begins else None))
            if was is None and not begins:
                expected = None  # the store alone knows this call
        assert open_calls._states.get("a") == expected, to
