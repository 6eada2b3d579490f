"""Made once of each object, kept within bounds, and never taken for another's."""

from __future__ import annotations

import pytest

from gateway.made import Made


class Making:
    """Makes the length of a list, and remembers of which."""

    def __init__(self) -> None:
        self.of: list[list[int]] = []

    def __call__(self, it: list[int]) -> int:
        self.of.append(list(it))
        return len(it)


def test_it_is_made_once_of_each_object_whatever_that_says() -> None:
    making = Making()
    made, one, other = Made(making, 8), [1, 2], [1, 2]
    assert [made.of(one), made.of(one), made.of(other)] == [2, 2, 2]
    assert making.of == [[1, 2], [1, 2]]


def test_an_object_that_is_gone_leaves_nothing_to_the_next_at_its_place() -> None:
    made = Made(Making(), 8)
    for length in range(100):
        assert made.of([0] * length) == length


def test_what_is_kept_is_bounded() -> None:
    making = Making()
    made, lists = Made(making, 4), [[n] for n in range(6)]
    for one in lists:
        made.of(one)
    assert made.of(lists[5]) == made.of(lists[4]) == 1
    assert len(making.of) == 6
    made.of(lists[0])
    assert making.of[6:] == [[0]]


def test_what_cannot_be_made_is_tried_again() -> None:
    made: Made[list[int], int] = Made(lambda it: 1 // it[0], 4)
    one = [0]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            made.of(one)
    one[0] = 1
    assert made.of(one) == 1
