"""A name nobody had before, and that nobody can guess."""

from __future__ import annotations

import re
from itertools import pairwise

from gateway.app.clock import new_call_id
from tests.forked import said_by_a_fork


def test_a_name_is_sixteen_characters_a_person_can_read_out() -> None:
    assert re.fullmatch("[a-z2-7]{16}", new_call_id())


def test_no_name_comes_twice_and_their_own_parts_are_all_different() -> None:
    names = [new_call_id() for _ in range(5_000)]
    assert len({name[3:] for name in names}) == len(names)


def test_names_that_follow_each_other_begin_alike() -> None:
    """Or a journal's index of them would be written to in another place for each call."""
    beginnings = [new_call_id()[:3] for _ in range(5_000)]
    changes = sum(one != next_ for one, next_ in pairwise(beginnings))
    assert 8 <= changes <= 10


def test_a_forked_process_gives_none_of_its_parents_names() -> None:
    new_call_id()
    text = said_by_a_fork(lambda: "".join(new_call_id() for _ in range(100)).encode()).decode()
    theirs = {text[at : at + 16] for at in range(0, len(text), 16)}
    assert len(theirs) == 100
    assert theirs.isdisjoint(new_call_id() for _ in range(600))
