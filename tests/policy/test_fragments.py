from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.fragments import Fragment, judge


def fragment(**words: Any) -> Fragment:
    return Fragment.model_validate(words)


def test_all_tests_must_hold() -> None:
    both = fragment(minLength=2, maxLength=3)
    assert [judge(both, text, {}) for text in ("a", "ab", "abcd")] == [False, True, False]


def test_a_doubt_outweighs_a_no() -> None:
    assert judge(fragment(pattern="x", enum=("a", "b")), ["a"], {}) is None
    assert judge(fragment(type="string", const=1), 2, {}) is None


def test_null_can_be_a_constant() -> None:
    assert judge(fragment(const=None), None, {}) is True
    assert judge(fragment(const=None), 0, {}) is None


def test_items_hold_one_by_one() -> None:
    short = fragment(items={"maxLength": 2})
    assert judge(short, ["a", "ab"], {}) is True
    assert judge(short, ["a", "abc"], {}) is False
    assert judge(short, ["abc", 1], {}) is None
    assert judge(short, "ab", {}) is None


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"patern": "x"},
        {"pattern": "("},
        {"pattern": "(?=x)"},
        {"pattern": "x" * 3000},
        {"maxLength": -1},
        {"maxLength": "3"},
        {"maxLength": None},
        {"enum": ()},
        {"path_within": ("relative",)},
        {"path_within": ("/a/../b",)},
        {"path_within": ()},
        {"host_in": ("*x",)},
        {"host_in": ("a.x:443",)},
        {"equals": "role"},
        {"type": "int"},
    ],
)
def test_a_fragment_that_makes_no_sense_is_refused(words: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fragment(**words)
