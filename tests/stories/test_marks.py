from __future__ import annotations

from gateway.stories.marks import Marks

TICKET, WINDOW = "t" * 25, "w" * 25
GRANT, HANDED = "g" * 16, "h" * 16


def test_names_stand_where_their_marks_stood() -> None:
    marks = Marks()
    marks.agent_heard(f"Ticket {TICKET} [approval_needed, call abc]")
    marks.agent_heard(f'{{"id": "{HANDED}", "state": "active"}}')
    marks.operator_saw(f"{WINDOW}  waiting")
    marks.operator_saw(f"grant           {GRANT}\nis              active")
    put = marks.put("{ticket} {handed} {window} {grant} {other}")
    assert put == f"{TICKET} {HANDED} {WINDOW} {GRANT} {{other}}"


def test_the_latest_counts_and_what_was_not_heard_stays_a_mark() -> None:
    marks = Marks()
    for letter in "ab":
        marks.agent_heard(letter * 25)
    assert marks.put("{ticket} {grant}") == "b" * 25 + " {grant}"
