"""What this process remembers of calls that others may move on."""

from __future__ import annotations

from gateway.core.record import Line, State
from gateway.journals.opencalls import OpenCalls
from tests.journals.calls import NOON, call_record


def test_whether_a_held_call_was_sent_by_another_process_is_for_the_store_to_say() -> None:
    open_calls = OpenCalls()
    open_calls.take(Line("a", State.HELD, NOON, {}, call_record("a")))
    open_calls.take(Line("a", State.APPLIED, NOON, {}))
    assert len(open_calls) == 0
