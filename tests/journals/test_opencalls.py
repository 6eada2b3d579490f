"""What this process remembers of calls that others may move on."""

from __future__ import annotations

import pytest

from gateway.core.record import Line, State
from gateway.journals.opencalls import OpenCalls
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
