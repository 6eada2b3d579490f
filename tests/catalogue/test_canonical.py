"""One byte string per descriptor; every member counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.canonical import canonical, digest
from tests.catalogue.offering import tool

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(), values))
def test_the_order_of_members_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))


@given(value=values)
def test_canonical_bytes_are_the_same_json(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": {"readOnlyHint": True}},
        {"_meta": {"vendor": 1}},
        {"outputSchema": {"type": "object"}},
        {"icons": [{"src": "data:,"}]},
        {"title": "x"},
        {"description": "does read "},
        {
            "inputSchema": {
                "type": "object",
                "properties": {"path": {"type": "string", "x-mcp-header": "P"}},
            }
        },
        {"a field nobody knows": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_changes_the_digest(change: dict[str, Any]) -> None:
    assert digest(tool("read")) != digest(tool("read") | change)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, "")])
def test_values_that_python_or_json_mix_up_stay_apart(one: Any, other: Any) -> None:
    assert canonical([one]) != canonical([other])


def _deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "\ud800", object()])
def test_what_is_not_json_has_no_digest(bad: Any) -> None:
    with pytest.raises(ValueError):
        digest({"x": bad})


def test_nesting_without_end_has_no_digest() -> None:
    with pytest.raises(ValueError, match="RecursionError"):
        digest(_deep())
