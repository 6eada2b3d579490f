"""What of a schema that somebody is bounded by would bound nobody."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.misspelt import misspelt

DRAFT_04 = "http://json-schema.org/draft-04/schema#"


@pytest.mark.parametrize(
    ("bound", "why"),
    [
        ({"maxlength": 5}, "/maxlength: is no keyword"),
        ({"properties": {"to": {"maxlength": 5}}}, "/properties/to/maxlength: is no keyword"),
        (
            {"properties": {"to": {"anyOf": [{"type": "string"}, {"minlen": 5}]}}},
            "/minlen: is no keyword",
        ),
        ({"$defs": {"one": {"minlen": 5}}, "$ref": "#/$defs/one"}, "/minlen: is no keyword"),
        ({"properties": {"to": {"format": "ipv4"}}}, "/to/format: is not checked"),
        (
            {"properties": {"to": {"contentEncoding": "base64"}}},
            "/to/contentEncoding: is not checked",
        ),
        ({"$schema": DRAFT_04, "properties": {"to": {"const": "x"}}}, "/to/const: is no keyword"),
        ({"properties": {"to": {"pattern": "(?=a)"}}}, "bounded time"),
        ({"patternProperties": {"(?!a)": False}}, "bounded time"),
    ],
)
def test_what_would_bound_nobody_is_told_with_its_place(bound: dict[str, Any], why: str) -> None:
    assert why in misspelt(bound)


@pytest.mark.parametrize(
    "bound",
    [
        {},
        {"title": "t", "$comment": "c", "x-mine": 1, "properties": {"to": {"maxLength": 5}}},
        {"properties": {"maxlength": {"enum": [{"minlen": 1}], "default": {"a": 1}}}},
        {"if": {"required": ["to"]}, "then": {"maxProperties": 1}, "else": False},
        {"$schema": DRAFT_04, "properties": {"n": {"maximum": 5, "exclusiveMaximum": True}}},
        {"contains": {"const": 1}, "minContains": 2, "dependentRequired": {"a": ["b"]}},
        {"patternProperties": {"^a": {"pattern": "^b"}}, "unevaluatedProperties": False},
    ],
)
def test_what_checks_or_says_something_is_none(bound: dict[str, Any]) -> None:
    assert misspelt(bound) == ""
