"""A quick yes is never given where the full question finds something wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gateway.core.model import JsonObject
from gateway.core.quick import compile_quick
from gateway.core.validate import SchemaFault, compile_schema

SCALARS: list[JsonObject] = [
    {"type": "string"},
    {"type": "string", "maxLength": 3},
    {"type": "string", "minLength": 2, "title": "t"},
    {"type": "string", "enum": ["a", "b", 1]},
    {"type": "string", "pattern": "^a"},
    {"type": "string", "format": "date"},
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 5},
    {"type": "integer", "multipleOf": 2},
    {"type": "number"},
    {"type": "number", "exclusiveMinimum": 1},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"enum": ["a"]},
    {},
    {"type": "string", "x-mcp-header": "Region"},
    {"$ref": "#/$defs/a"},
    {"anyOf": [{"type": "string"}]},
    {"not": {"type": "string"}, "type": "string"},
]
VALUES: list[Any] = ["", "a", "ab", "abcd", 0, 1, 5, 6, -1, 1.0, 1.5, 2**70, True, False, None]
VALUES += [[], ["a"], ["a", 1], [[]], {}, {"a": "a"}]


def a_value(dice: random.Random) -> JsonObject:
    if dice.random() < 0.75:
        return dice.choice(SCALARS)
    inner: JsonObject = {"type": "array"}
    if dice.random() < 0.9:
        inner["items"] = a_value(dice)
    if dice.random() < 0.2:
        inner["maxItems"] = 1
    return inner


def a_schema(dice: random.Random) -> JsonObject:
    schema: JsonObject = {"type": "object", "$defs": {"a": {"type": "string"}}}
    if dice.random() < 0.8:
        del schema["$defs"]
    names = dice.sample("abcd", dice.randint(0, 4))
    if names or dice.random() < 0.5:
        schema["properties"] = {name: a_value(dice) for name in names}
    if dice.random() < 0.4:
        schema["required"] = dice.sample("abcd", dice.randint(0, 2))
    odd: list[JsonObject] = [
        {"additionalProperties": False},
        {"additionalProperties": True},
        {"additionalProperties": {"type": "string"}},
        {"minProperties": 2},
        {"propertyNames": {"maxLength": 1}},
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"dependentRequired": {"a": ["b"]}},
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}},
        {"unevaluatedProperties": False},
        {"patternProperties": {"^a": {"type": "integer"}}},
    ]
    return schema | dice.choice(odd) if dice.random() < 0.4 else schema


def test_whatever_gets_a_quick_yes_passes_in_full() -> None:
    dice = random.Random(20261128)
    quick_yes = 0
    for _ in range(1_500):
        schema = a_schema(dice)
        quick = compile_quick(schema)
        some = (dice.sample("abcde", dice.randint(0, 3)) for _ in range(12))
        tried = [{name: dice.choice(VALUES) for name in names} for names in some]
        good = [arguments for arguments in tried if quick(arguments)]
        if not good:
            continue
        try:
            full = compile_schema({"inputSchema": schema})
        except SchemaFault:
            continue
        quick_yes += len(good)
        assert [one for one in good if full._ask(one) is not None] == [], schema
    assert quick_yes > 800


@pytest.mark.parametrize(
    ("arguments", "yes"),
    [
        ({"a": "x"}, True),
        ({"a": "x", "b": ""}, True),
        ({"b": "x"}, False),
        ({"a": "x", "c": "x"}, False),
        ({"a": 1}, False),
        ({"a": "x", "b": None}, False),
        ({}, False),
        (["a"], False),
    ],
)
def test_texts_are_asked_about_together(arguments: Any, yes: bool) -> None:
    texts = {"a": {"type": "string"}, "b": {"type": "string", "title": "B"}}
    assert compile_quick({"properties": texts, "required": ["a"]})(arguments) is yes


@pytest.mark.parametrize("size", [1_000, 1_001])
def test_a_long_list_is_asked_about_in_full(size: int) -> None:
    schema = {"properties": {"a": {"type": "array", "items": {"type": "integer"}}}}
    assert compile_quick(schema)({"a": [1] * size}) is (size <= 1_000)


def test_what_is_wrong_is_still_told_in_words() -> None:
    schema = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
    check = compile_schema({"inputSchema": schema}).check
    assert check({"a": "x"}) is None
    assert check({"a": 1}) == "arguments/a: must be of type string"
    assert check({}) == "arguments: a is required"
    assert check({"a": "x", "b": 1}) == "arguments/b: is not known"
