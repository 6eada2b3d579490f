"""What a writer knows of its calls: enough to judge the next line, or it says that it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.core.record import Line, State
from gateway.journals.rows import NONE
from gateway.journals.standing import Standing, Unclear
from tests.journals.calls import NOON, call_record, intent, outcome, refusal

RUN = 7
HELD = Line("held", State.HELD, NOON, {}, call_record("held"))


def standing(*lines: Line) -> Standing:
    """After these lines."""
    one = Standing(RUN)
    one.note(one.follow(lines, 1))
    return one


def test_lines_that_follow_are_let_through() -> None:
    standing(intent("a"), HELD).follow(
        [outcome("a"), intent("b"), outcome("b", "in_doubt"), Line("held", State.INTENT, NOON, {})],
        3,
    )


@pytest.mark.parametrize(
    "lines",
    [
        [outcome("nobody")],
        [outcome("over")],
        [intent("over")],
        [intent("a")],
        [outcome("a"), outcome("a", "rejected")],
        [refusal("b"), refusal("b")],
        [Line("a", State.NEEDS_HUMAN, NOON, {})],
    ],
    ids=["unknown", "over", "again", "open", "twice", "one name", "illegal"],
)
def test_what_it_cannot_tell_is_for_the_file_to_say(lines: Sequence[Line]) -> None:
    with pytest.raises(Unclear):
        standing(intent("a"), refusal("over")).follow(lines, 3)


def test_a_call_others_have_written_of_is_not_known_any_more() -> None:
    one = standing(intent("a"))
    one.heard(["a", "theirs"])
    for line in (outcome("a"), outcome("theirs"), intent("theirs")):
        with pytest.raises(Unclear):
            one.follow([line], 2)
    assert one.rows() is None
    assert len(one) == 2


def test_its_rows_are_its_calls_as_of_their_last_lines() -> None:
    one = standing(
        intent("a"), HELD, outcome("a", at=NOON + 5), Line("held", State.INTENT, NOON, {})
    )
    rows = one.rows()
    assert rows is not None
    assert [row[:4] + row[8:11] for row in rows] == [
        [1, 3, "a", "applied", NOON, NOON + 5, RUN],
        [2, 4, "held", "intent", NOON, NONE, RUN],
    ]


def test_lines_that_were_refused_leave_no_trace() -> None:
    one = Standing(RUN)
    lines = [intent("a"), intent("b"), outcome("a")]
    one.note_each(lines, [1, "call b: IllegalMove", 2])
    rows = one.rows()
    assert rows is not None
    assert [row[:4] for row in rows] == [[1, 2, "a", "applied"]]


def test_lines_that_were_followed_and_not_written_leave_no_trace() -> None:
    one = standing(intent("a"))
    one.follow([outcome("a"), intent("b")], 2)
    rows = one.rows()
    assert rows is not None
    assert [row[:4] for row in rows] == [[1, 1, "a", "intent"]]
    one.follow([outcome("a", "rejected"), intent("b")], 2)


def test_a_line_the_file_let_through_of_a_call_that_is_not_known_is_for_the_file_to_tell() -> None:
    one = Standing(RUN)
    one.note_each([outcome("theirs"), intent("a")], [8, 9])
    assert one.rows() is None
    one.follow([outcome("a")], 2)


def test_a_call_that_was_filed_can_still_move_on() -> None:
    one = standing(intent("a"))
    one.filed()
    assert (len(one), one.rows()) == (0, [])
    one.note(one.follow([outcome("a")], 2))
    rows = one.rows()
    assert rows is not None
    assert [row[:4] for row in rows] == [[1, 2, "a", "applied"]]


def test_calls_in_doubt_are_not_remembered_once_they_are_filed() -> None:
    """A tool server that is gone for a day leaves any number of them."""
    doubts = [[intent(f"{n}"), outcome(f"{n}", "in_doubt")] for n in range(1_000)]
    one = standing(*(line for each in doubts for line in each), intent("open"), HELD)
    one.filed()
    assert sorted(one._open) == ["held", "open"]


def test_after_forgetting_the_file_is_asked() -> None:
    one = standing(intent("a"))
    one.forget()
    with pytest.raises(Unclear):
        one.follow([outcome("a")], 2)
