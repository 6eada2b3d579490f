"""Which resources meet: whole segments, either way round."""

from __future__ import annotations

import pytest

from gateway.core.reverse import overlaps


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("file:/a", "file:/a", True),
        ("file:/a", "file:/a/", True),
        ("file:/a", "file:/a/b", True),
        ("file:/", "file:/a/b", True),
        ("file:/a", "file:/ab", False),
        ("file:/a/b", "file:/a/c", False),
        ("file:/a", "note:/a", False),
    ],
)
def test_a_resource_meets_itself_and_what_is_inside_of_it(one: str, other: str, meet: bool) -> None:
    assert (overlaps(one, other), overlaps(other, one)) == (meet, meet)
