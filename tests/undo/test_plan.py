"""A plan as a person reads it: of a thousand calls as well as of three."""

from __future__ import annotations

from gateway.undo.plan import few


def test_a_few_are_named_and_many_are_counted() -> None:
    assert few(["a"]) == "a"
    assert few(["a", "b", "c"]) == "a, b, c"
    assert few(["a", "b", "c", "d", "e"]) == "c, d, e and 2 more"
