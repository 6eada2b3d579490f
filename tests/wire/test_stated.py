"""What typed languages write as null, and do not say."""

from __future__ import annotations

from gateway.wire.stated import stated


def test_members_that_are_null_are_left_out_at_any_depth_and_nothing_else_is() -> None:
    said = {"a": None, "b": {"c": None, "d": 0}, "e": [None, {"f": None}], "g": "", "h": {}}
    assert stated(said) == {"b": {"d": 0}, "e": [None, {}], "g": "", "h": {}}
