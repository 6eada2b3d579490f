"""Who wrote where: what is found by the resource is what asking each of them would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reverse import overlaps
from gateway.undo.overlapping import Overlapping

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
