from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.policy.predicates import TESTS, every, same

FACTS = {"agent": "agent:ann", "tenant": "local", "intent": "general", "task": ""}


@pytest.mark.parametrize(
    ("name", "wanted", "value", "truth"),
    [
        ("type", "string", "x", True),
        ("type", "string", 1, None),
        ("type", "integer", 1, True),
        ("type", "integer", 1.0, True),
        ("type", "integer", 1.5, None),
        ("type", "integer", True, None),
        ("type", "number", True, None),
        ("type", "null", None, True),
        ("const", 1, 1.0, True),
        ("const", 1, 2, False),
        ("const", 1, True, None),
        ("const", True, "true", None),
        ("const", {"a": [1]}, {"a": [1]}, True),
        ("const", {"a": [1]}, {"a": [True]}, False),
        ("enum", ("a", "b"), "b", True),
        ("enum", ("a", "b"), "c", False),
        ("enum", ("a", "b"), ["a"], None),
        ("enum", (1, "a", None), 1.0, True),
        ("enum", (1, "a", None), None, True),
        ("enum", (1, "a", None), True, None),
        ("enum", (1, True), False, False),
        ("enum", ("a", [1], {"b": 1}), [1.0], True),
        ("enum", ("a", [1], {"b": 1}), {"b": True}, False),
        ("pattern", "^a$", "a", True),
        ("pattern", "^a$", "a\n", False),
        ("pattern", "b", "abc", True),
        ("pattern", "a", ["a"], None),
        ("pattern", "(a+)+$", "a" * 5_000 + "!", False),
        ("min_length", 2, "a", False),
        ("max_length", 2, "ab", True),
        ("max_length", 2, "abc", False),
        ("max_length", 2, [], None),
        ("minimum", 2, 2, True),
        ("minimum", 2, 1.9, False),
        ("minimum", 2, float("nan"), None),
        ("maximum", 2, 2, True),
        ("maximum", 2, 2.1, False),
        ("maximum", 2, 10**400, False),
        ("maximum", 2, float("inf"), None),
        ("maximum", 2, True, None),
        ("maximum", 2, "1", None),
        ("max_items", 1, [1], True),
        ("max_items", 1, [1, 2], False),
        ("max_items", 1, "a", None),
        ("path_within", ("/srv/app",), "/srv/app", True),
        ("path_within", ("/srv/app",), "/srv//app/x", True),
        ("path_within", ("/srv/app/",), "/srv/app/x", True),
        ("path_within", ("/srv/app",), "/srv/application", False),
        ("path_within", ("/srv/app",), "/etc/passwd", False),
        ("path_within", ("/srv/app",), "/srv/app/../../etc", None),
        ("path_within", ("/srv/app",), "/srv/app/./x", None),
        ("path_within", ("/srv/app",), "srv/app", None),
        ("path_within", ("/srv/app",), "/srv/app/\0", None),
        ("path_within", ("/srv/app",), "/srv/app\\..\\x", None),
        ("path_within", ("/srv/app",), "/srv/app/e\u0301", None),
        ("path_within", ("/srv/app",), "~/app", None),
        ("path_within", ("/",), "/anything", True),
        ("path_within", ("/srv/app", "/tmp"), "/tmp/x", True),
        ("path_within", ("/srv/app", "/tmp"), "/srv/x", False),
        ("host_in", ("*.example.com",), "https://api.example.com/x", True),
        ("host_in", ("*.example.com",), "https://example.org", False),
        ("host_in", ("*.example.com",), "https://api.example.com@evil.example", None),
        ("host_in", ("*.example.com", "example.org"), "https://example.org", True),
        ("host_in", ("*.example.com", "example.org"), "https://api.example.org", False),
        ("host_in", ("*.example.com",), 1, None),
        ("equals", "tenant", "local", True),
        ("equals", "tenant", "other", False),
        ("equals", "tenant", ["local"], None),
        ("equals", "task", "", None),
    ],
)
def test_a_test_is_true_false_or_cannot_be_told(
    name: str, wanted: Any, value: Any, truth: bool | None
) -> None:
    assert TESTS[name](wanted, value, FACTS) is truth


def test_thousands_of_values_are_looked_for_on_a_long_list_at_once() -> None:
    listed = tuple(f"kind-{n}" for n in range(500))
    began = time.process_time()
    assert all(TESTS["enum"](listed, "kind-499", FACTS) for _ in range(100_000))
    assert time.process_time() - began < 5  # each with each on the list took a minute


def test_and_is_kleenes() -> None:
    assert every([]) is True
    assert every([True, None]) is None
    assert every([None, False]) is False
    assert every([True, True]) is True


def test_sameness_looks_at_types_all_the_way_down() -> None:
    assert same([{"a": 1}], [{"a": 1.0}])
    assert not same([1, 2], [1, 3])
    assert not same({"a": 1, "b": 2}, {"a": 1, "b": 3})
    assert not same([{"a": 1}], [{"a": True}])
    assert not same([1], [1, 2])
    assert not same({"a": 1}, {"b": 1})
    assert not same(None, False)
