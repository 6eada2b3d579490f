"""Who wrote where: what is found by the resource is what asking each of them would find, and who was the last."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reverse import meet, overlaps
from gateway.undo.overlapping import Nearest, Numbered, Overlapping

KEYS = st.lists(st.text("a/:", max_size=6), max_size=3)


@given(st.lists(KEYS, max_size=6), KEYS)
def test_it_finds_those_that_overlap_in_order_and_each_once(
    written: list[list[str]], asked: list[str]
) -> None:
    overlapping = Overlapping[int]()
    for number, keys in enumerate(written):
        overlapping.add(keys, number)
    assert overlapping.find(asked) == [
        number
        for number, keys in enumerate(written)
        if any(overlaps(one, other) for one in keys for other in asked)
    ]


def test_a_resource_is_found_from_above_and_from_below_and_not_beside() -> None:
    overlapping = Overlapping[str]()
    for key in ("file:/a", "file:/a/b/", "file:/ab"):
        overlapping.add([key], key)
    assert overlapping.find(["file:/a/b/c"]) == ["file:/a", "file:/a/b/"]
    assert overlapping.find(["file:/a/"]) == ["file:/a", "file:/a/b/"]
    assert overlapping.find(["file:/b"]) == []


@given(st.lists(KEYS, max_size=6), KEYS)
def test_the_nearest_are_the_last_that_overlap_and_others_lie_behind_them(
    written: list[list[str]], asked: list[str]
) -> None:
    nearest = Nearest[int]()
    for number, keys in enumerate(written):
        nearest.add(keys, number)
    every = [number for number, keys in enumerate(written) if meet(keys, asked)]
    found = nearest.find(asked)
    assert found == sorted(set(found) & set(every))
    assert found[-1:] == every[-1:]
    for behind in set(every) - set(found):
        assert any(behind < one and meet(written[behind], written[one]) for one in found)


def test_of_many_that_wrote_one_resource_only_the_last_is_found() -> None:
    nearest = Nearest[int]()
    for number in range(9):
        nearest.add(["file:/a/b"], number)
    nearest.add(["file:/a/c"], 9)
    assert nearest.find(["file:/a/b"]) == [8]
    assert nearest.find(["file:/a"]) == [8, 9]
    nearest.add(["file:/a"], 10)
    assert nearest.find(["file:/a/b"]) == [10]


@given(st.lists(KEYS, max_size=6), KEYS, st.integers(-1, 6), st.randoms(use_true_random=False))
def test_those_above_a_number_are_found_the_highest_first_in_whatever_order_they_came(
    written: list[list[str]], asked: list[str], after: int, rng: Random
) -> None:
    numbered, came = Numbered[str](), [*enumerate(written)]
    rng.shuffle(came)
    for number, keys in came:
        numbered.add(keys, number, f"call {number}")
    assert list(numbered.find(asked, after)) == [
        f"call {number}"
        for number in range(len(written) - 1, after, -1)
        if meet(written[number], asked)
    ]
