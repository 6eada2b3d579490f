"""Values: made once, equal where all members are, and told as JSON and back."""

from __future__ import annotations

import pytest

from gateway.core.model import Tier
from gateway.values import Value, as_json, as_plain, field, from_json, from_plain, replace


class Inner(Value):
    tier: Tier
    names: frozenset[str] = frozenset()


class Outer(Value, kw_only=True):
    inner: Inner
    more: dict[str, int] = field(default_factory=dict)
    who: str


ONE = Outer(inner=Inner(Tier.TOOL, frozenset({"a"})), who="ada")


def test_nobody_changes_a_value() -> None:
    with pytest.raises(AttributeError):
        ONE.who = "eve"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del ONE.who


def test_another_one_is_made_by_naming_what_is_other() -> None:
    other = replace(ONE, who="eve")
    assert (other.who, other.inner, ONE.who) == ("eve", ONE.inner, "ada")


def test_values_with_the_same_members_are_equal_and_found_by_each_other() -> None:
    assert Inner(Tier.TOOL) == Inner(Tier.TOOL, frozenset())
    assert {Inner(Tier.TOOL): 1}[Inner(Tier.TOOL)] == 1
    assert Inner(Tier.TOOL) != Inner(Tier.DATA)


def test_what_is_left_out_is_made_new_for_each() -> None:
    again = Outer(inner=ONE.inner, who="ada")
    again.more["x"] = 1
    assert ONE.more == {}


def test_a_value_comes_back_from_json_as_it_was() -> None:
    assert from_json(Outer, as_json(ONE)) == ONE
    assert from_plain(Outer, as_plain(ONE)) == ONE
    assert as_plain(ONE) == {"inner": {"tier": "tool", "names": ["a"]}, "more": {}, "who": "ada"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"who": "ada"}', '{"inner": {"tier": "no"}, "who": "a"}']
)
def test_what_is_no_such_value_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(Outer, text)


def test_what_json_cannot_say_is_not_told() -> None:
    with pytest.raises(TypeError):
        as_plain(replace(ONE, more={"x": object()}))  # type: ignore[dict-item]
