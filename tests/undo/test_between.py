"""Half way through an inverse of several steps: what is nobody's doing but the undo's own."""

from __future__ import annotations

from typing import Any

from gateway.core.reverse import Captured, Image
from gateway.undo.between import nothing_new


def image(value: Any) -> Image:
    return {"it": Captured("value", value)}


def test_another_order_is_nothing_new_however_deep_it_lies() -> None:
    left = {"things": [{"name": "a", "notes": ["one", "two"]}, {"name": "b", "notes": []}]}
    now = {"things": [{"name": "a", "notes": ["two", "one"]}]}
    assert nothing_new([image(left)], image(now))


def test_one_more_of_what_is_known_is_new() -> None:
    left = {"things": [{"name": "a", "notes": ["one", "two"]}]}
    now = {"things": [{"name": "a", "notes": ["one", "two", "two"]}]}
    assert not nothing_new([image(left)], image(now))
