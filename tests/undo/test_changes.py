"""What a call changed, found by looking: whether it is still so, and whose it is."""

from __future__ import annotations

from typing import Any

from gateway.core.reverse import Captured, Image
from gateway.undo import changes

ROW = {"title": "Emma"}


def number(given: int) -> dict[str, Any]:
    return {changes.GROWS: given}


def image(was: dict[str, Any], now: dict[str, Any]) -> Image:
    return {changes.NAME: Captured("value", {"was": was, "now": now})}


WAS, LEFT = {"row/4": None, "numbers": number(3)}, {"row/4": ROW, "numbers": number(4)}


def test_a_number_that_others_were_given_since_is_no_drift() -> None:
    later = image(WAS, {**LEFT, "numbers": number(5)})
    assert changes.same(image(WAS, LEFT), later)
    assert changes.same({}, image(WAS, {**WAS, "numbers": number(5)}))  # as before the call


def test_a_number_that_went_down_is_drift_and_so_is_a_changed_row_beside_one_that_grew() -> None:
    assert not changes.same(image(WAS, LEFT), image(WAS, {**LEFT, "numbers": number(3)}))
    other = {"row/4": {"title": "Persuasion"}, "numbers": number(5)}
    assert not changes.same(image(WAS, LEFT), image(WAS, other))


def test_a_call_that_only_took_a_number_is_compared_by_it() -> None:
    was, left = {"numbers": number(3)}, {"numbers": number(4)}
    assert not changes.same({}, image(was, left))
    assert changes.same(image(was, left), image(was, left))


def test_a_number_is_nobodys_own_unless_it_is_all_there_is() -> None:
    assert changes.written({"was": WAS, "now": LEFT}) == ["row/4"]
    assert changes.written({"was": {}, "now": {"numbers": number(4)}}) == ["numbers"]
