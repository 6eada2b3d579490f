"""Step 8: exactly what the approved descriptor asks for, or nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Entry, JsonObject, Resolved, Target
from gateway.core.validate import (
    MAX_ARGUMENTS,
    SchemaFault,
    check_call,
    compile_prompt,
    compile_schema,
)
from tests.catalogue.offering import asks


def problem(properties: JsonObject, arguments: JsonObject, **schema: Any) -> str | None:
    whole = {"type": "object", "properties": properties, **schema}
    return compile_schema({"inputSchema": whole}).check(arguments)


@pytest.mark.parametrize("value", ["5", 5.0, True, None, [5], 5.5])
@pytest.mark.parametrize(
    "limit",
    [
        {"type": "integer"},
        {"enum": [5]},
        {"const": 5},
        {"anyOf": [{"type": "integer"}, {"type": "boolean", "const": False}]},
        {"$ref": "#/$defs/limit"},
    ],
)
def test_nothing_is_taken_for_an_integer_but_an_integer(limit: JsonObject, value: Any) -> None:
    defs = {"limit": {"type": "integer", "minimum": 1}}
    assert problem({"limit": limit}, {"limit": value}, **{"$defs": defs}) is not None
    assert problem({"limit": limit}, {"limit": 5}, **{"$defs": defs}) is None


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "number"}, [5, 5.5, -0.0], ["5", True, None]),
        ({"type": "string"}, ["", "5"], [5, None, ["a"]]),
        ({"type": "boolean"}, [True, False], [0, 1, "true"]),
        ({"type": "null"}, [None], [0, "", False]),
        ({"type": ["integer", "null"]}, [1, None], [1.0, "1"]),
        ({"enum": ["a", 0.5, 1.0, None, [1]]}, ["a", 0.5, 1, 1.0, None, [1]], ["A", 0, True, [True]]),
        ({"const": False}, [False], [0, None]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd"]),
        ({"type": "string", "pattern": "^[a-z]+$"}, ["abc"], ["", "abc\n", "ABC"]),
        ({"type": "string", "pattern": "\\u0061\\/"}, ["a/"], ["b/"]),
        ({"minimum": 1, "exclusiveMaximum": 3}, [1, 2.9, "x"], [0, 3]),
        ({"multipleOf": 2}, [4, 0], [3]),
        ({"minItems": 1, "maxItems": 2, "uniqueItems": True}, [[1], [1, 2], [1, True]], [[], [1, 1], [1, 2, 3]]),
        ({"uniqueItems": True}, [[{"a": 1}, {"a": 2}]], [[{"a": 1, "b": 2}, {"b": 2, "a": 1}], [1, 1.0]]),
        ({"type": "array", "contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, [[1], []], [["a"], [1, 2]]),
        ({"oneOf": [{"type": "integer"}, {"minimum": 5}]}, [1, 5.5], [5]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        (
            {
                "anyOf": [{"required": ["a"], "properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}],
                "unevaluatedProperties": False,
            },
            [{"a": 1}, {"b": 1}, {"a": 1, "b": 1}],
            [{"a": "x"}, {"b": 1, "a": "x"}],
        ),
        ({"type": "object", "minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        ({"type": "object", "propertyNames": {"pattern": "^x"}}, [{"xy": 1}], [{"y": 1}]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, ["ab", 2], ["a", 1]),
    ],
)  # fmt: skip
def test_a_keyword_says_yes_and_no(schema: JsonObject, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if problem({"x": schema}, {"x": value})] == []
    assert [value for value in bad if not problem({"x": schema}, {"x": value})] == []


def test_a_required_argument_is_named() -> None:
    assert problem({"a": {}}, {}, required=["a"]) == "arguments: a is required"


def test_arguments_nobody_declared_are_refused_even_when_nothing_is_declared() -> None:
    assert (
        compile_schema({"inputSchema": {}}).check({"sudo": True}) == "arguments/sudo: is not known"
    )
    assert compile_schema({"inputSchema": {"type": "object"}}).check({}) is None


def test_a_message_names_the_place_and_never_the_value() -> None:
    inner = {
        "type": "array",
        "items": {"type": "object", "properties": {"token": {"maxLength": 3, "type": "string"}}},
    }
    said = problem({"list": inner}, {"list": [{"token": "sk-secret"}]})
    assert said == "arguments/list/0/token: is too long"
    for schema in (
        {"enum": ["a"]},
        {"const": 1},
        {"type": "integer"},
        {"pattern": "^a"},
        {"anyOf": [{"type": "null"}]},
    ):
        assert "sk-secret" not in (problem({"x": schema}, {"x": "sk-secret"}) or "sk-secret")


def test_a_members_name_is_shown_short_and_visible() -> None:
    said = problem({}, {"a\x1b[2J\u202e" + "b" * 500: 1}) or ""
    assert said.isascii() and said.isprintable() and len(said) < 120


POINT: JsonObject = {"type": "object", "properties": {"x": {"type": "number"}}}
DEFS: JsonObject = {
    "point": POINT,
    "map": {"type": "object"},
    "node": {"properties": {"next": {"$ref": "#/$defs/node"}, "v": {}}},
}
FAR: JsonObject = {"type": "object", "properties": {"url": {}}, "required": ["url"]}


@pytest.mark.parametrize(
    ("schema", "known", "unknown"),
    [
        (POINT, [{"x": 1}, {}], [{"x": 1, "y": 2}, {"X": 1}]),
        ({"$ref": "#/$defs/point"}, [{"x": 1}], [{"y": 2}]),
        ({"$ref": "#/$defs/node"}, [{"next": {"next": {"v": 1}}}], [{"next": {"next": {"w": 1}}}]),
        ({"anyOf": [{"$ref": "#/$defs/point"}, {"type": "null"}]}, [{"x": 1}, None], [{"y": 1}]),
        ({"oneOf": [POINT, FAR]}, [{"x": 1}], [{"x": 1, "z": 1}]),
        ({"allOf": [POINT, {"properties": {"y": {}}}]}, [{"x": 1, "y": 2}], [{"x": 1, "z": 2}]),
        ({**POINT, "anyOf": [{"required": ["x"]}, {"maxProperties": 0}]}, [{"x": 1}], [{"x": 1, "y": 1}]),
        ({**POINT, "if": {"required": ["x"]}, "then": {"properties": {"z": {}}}}, [{"x": 1, "z": 1}], [{"a": 1}]),
        ({**POINT, "dependentSchemas": {"x": {"properties": {"y": {}}}}}, [{"x": 1, "y": 1}], [{"a": 1}]),
        ({"patternProperties": {"^x-": {}}}, [{"x-a": 1}], [{"y": 1}]),
        ({**POINT, "additionalProperties": {"type": "integer"}}, [{"x": 1, "n": 2}], [{"n": "a"}]),
        ({**POINT, "additionalProperties": True}, [{"any": {"thing": 1}}], []),
        ({**POINT, "unevaluatedProperties": {"type": "integer"}}, [{"n": 2}], [{"n": "a"}]),
        ({"allOf": [POINT], "unevaluatedProperties": False}, [{"x": 2}], [{"n": 1}]),
        ({"type": "object"}, [{"any": {"thing": 1}}], []),
        ({}, [{"any": 1}, 5], []),
        ({"$ref": "#/$defs/map"}, [{"any": 1}], []),
        ({"anyOf": [POINT, {"type": "object"}]}, [{"any": 1}], []),
        ({"anyOf": [{"$ref": "#/$defs/point"}, {"$ref": "#/$defs/map"}]}, [{"any": 1}], []),
        ({"anyOf": [POINT, True]}, [{"any": 1}, 5], []),
        ({"type": "array", "items": POINT}, [[{"x": 1}]], [[{"x": 1}, {"y": 1}]]),
        ({"prefixItems": [POINT], "items": {"$ref": "#/$defs/map"}}, [[{"x": 1}, {"y": 1}]], [[{"y": 1}]]),
        ({"additionalProperties": POINT}, [{"any": {"x": 1}}], [{"any": {"y": 1}}]),
        ({"properties": {"additionalProperties": POINT}}, [{"additionalProperties": {"x": 1}}], [{"z": 1}]),
        ({"patternProperties": {"^a": POINT, "^b": FAR}}, [{"a1": {"x": 1}}, {"b1": {"url": 1}}], [{"a1": {"url": 1}}]),
        ({**POINT, "patternProperties": {"^a": POINT}}, [{"x": 1, "a1": {"x": 1}}], [{"a1": {"y": 1}}]),
        ({**POINT, "allOf": [{"type": "object"}, True]}, [{"x": 1}], [{"x": 1, "y": 1}]),
        ({**POINT, "if": {"type": "object"}, "then": True}, [{"x": 1}], [{"x": 1, "y": 1}]),
        ({**POINT, "dependentSchemas": {"x": True}}, [{"x": 1}], [{"x": 1, "y": 1}]),
        ({"anyOf": [POINT, {"type": ["object", "null"]}]}, [{"any": 1}], []),
        ({"anyOf": [POINT, {"title": "anything", "description": "at all"}]}, [{"any": 1}], []),
        ({"anyOf": [POINT, {"type": "string"}]}, [{"x": 1}, "y"], [{"y": 1}]),
        ({"anyOf": [POINT, {"type": ["string", "null"]}]}, [{"x": 1}], [{"y": 1}]),
        ({"anyOf": [POINT, {"type": "object", "minProperties": 1}]}, [{"x": 1}], [{"y": 1}]),
    ],
)  # fmt: skip
def test_at_every_depth_a_member_is_known_or_refused(
    schema: JsonObject, known: list[Any], unknown: list[Any]
) -> None:
    def ask(value: Any) -> str | None:
        return problem({"v": schema}, {"v": value}, **{"$defs": DEFS})

    assert [(value, said) for value in known if (said := ask(value))] == []
    assert [value for value in unknown if not ask(value)] == []


def test_the_arguments_as_a_whole_are_closed_unless_the_schema_opens_them() -> None:
    for closed in (
        {"anyOf": [{"properties": {"a": {}}}, {"type": "object"}]},
        {"$ref": "#/$defs/map", "$defs": DEFS},
        {"minProperties": 1},
    ):
        assert (
            compile_schema({"inputSchema": closed}).check({"b": 1}) == "arguments/b: is not known"
        )
    opening: list[JsonObject] = [
        {"additionalProperties": True},
        {"additionalProperties": {}},
        {"propertyNames": {"maxLength": 9}},
    ]
    for opened in opening:
        assert compile_schema({"inputSchema": opened}).check({"b": 1}) is None


NODE = {"$dynamicAnchor": "node", "type": "object"}
BY_SCOPE = {
    "tree": {**NODE, "$id": "tree", "properties": {"below": {"$dynamicRef": "#node"}}},
    "apples": {
        **NODE,
        "$id": "apples",
        "properties": {"apples": {"type": "integer"}},
        "$ref": "tree",
    },
    "pears": {**NODE, "$id": "pears", "properties": {"pears": {"type": "integer"}}, "$ref": "tree"},
}


@pytest.mark.parametrize("first", ["apples", "pears"])
def test_a_dynamic_reference_knows_the_members_of_where_it_came_from(first: str) -> None:
    """One place of the schema, reached by two ways: what was found for the one is not the other's."""
    properties = {name: {"$ref": name} for name in ("apples", "pears")}
    whole = {"type": "object", "$id": "x:root", "properties": properties, "$defs": BY_SCOPE}
    check = compile_schema({"inputSchema": whole}).check
    second = "pears" if first == "apples" else "apples"
    for name, other in ((first, second), (second, first)):
        assert check({name: {"below": {"below": {name: 1}}}}) is None
        assert (
            check({name: {"below": {other: 1}}}) == f"arguments/{name}/below/{other}: is not known"
        )


def test_a_reference_leads_from_the_id_that_it_stands_below() -> None:
    inner = {
        "$id": "inner",
        "type": "object",
        "properties": {"one": {"$ref": "#/$defs/it"}},
        "$defs": {"it": {"type": "object", "properties": {"mine": {}}}},
    }
    outer = {"it": {"type": "object", "properties": {"yours": {}}}}
    for properties in ({"a": inner}, {"a": {"allOf": [inner]}}):
        whole = {"$id": "x:root", "$defs": outer}
        assert problem(properties, {"a": {"one": {"mine": 1}}}, **whole) is None
        said = problem(properties, {"a": {"one": {"yours": 1}}}, **whole)
        assert said == "arguments/a/one/yours: is not known"


def test_in_draft_7_a_reference_silences_its_neighbours() -> None:
    for dialect, said in (
        ("http://json-schema.org/draft-07/schema#", "arguments/v/y: is not known"),
        ("https://json-schema.org/draft-07/schema#", "arguments/v/y: is not known"),
        ("http://json-schema.org/draft/2020-12/schema", None),
        ("https://json-schema.org/draft/2020-12/schema", None),
    ):
        beside = {"$ref": "#/definitions/point", "properties": {"y": {}}}
        asked = problem(
            {"v": beside}, {"v": {"y": 1}}, **{"$schema": dialect, "definitions": {"point": POINT}}
        )
        assert asked == said
    silent = {"$ref": "#/definitions/point", "allOf": [{"properties": {"y": {}}}]}
    draft = "http://json-schema.org/draft-07/schema#"
    asked = problem(
        {"v": silent}, {"v": {"y": 1}}, **{"$schema": draft, "definitions": {"point": POINT}}
    )
    assert asked == "arguments/v/y: is not known"
    items: JsonObject = {"items": [POINT], "additionalItems": {"type": "integer"}}
    assert problem({"v": items}, {"v": [{"x": 1}, 2]}, **{"$schema": draft}) is None
    assert (
        problem({"v": items}, {"v": [{"y": 1}]}, **{"$schema": draft})
        == "arguments/v/0/y: is not known"
    )


# No legal schema changes its meaning: whatever is refused beyond the standard is unknown or a wrong number.

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "b", "1"])
values = st.recursive(
    scalars,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("abc"), v, max_size=3),
    max_leaves=8,
)
leaves = st.sampled_from(
    [{}, {"type": "string"}, {"type": "integer"}, {"enum": ["a", 1, None]}, {"pattern": "a"}, {"minimum": 1}, True,
     False, {"$ref": "#/$defs/d"}, {"type": "object"}, {"required": ["a"]}, {"type": "array", "uniqueItems": True}]
)  # fmt: skip
schemas = st.recursive(
    leaves,
    lambda s: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), s, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), s, max_size=1),
            "additionalProperties": s,
            "items": s,
            "anyOf": st.lists(s, min_size=1, max_size=2),
            "oneOf": st.lists(s, min_size=1, max_size=2),
            "allOf": st.lists(s, min_size=1, max_size=2),
            "not": s,
            "if": s,
            "then": s,
            "contains": s,
            "prefixItems": st.lists(s, min_size=1, max_size=1),
            "unevaluatedItems": s,
            "unevaluatedProperties": s,
            "dependentSchemas": st.dictionaries(st.sampled_from("ab"), s, max_size=1),
            "maxItems": st.integers(0, 2),
        },
    ),
    max_leaves=6,
)


@given(
    schema=schemas,
    d=leaves.filter(lambda s: s != {"$ref": "#/$defs/d"}),
    arguments=st.dictionaries(st.sampled_from("abc"), values, max_size=3),
)
def test_on_known_members_we_agree_with_the_standard(
    schema: Any, d: Any, arguments: JsonObject
) -> None:
    whole = {"properties": {"v": schema}, "$defs": {"d": d}}
    said = compile_schema({"inputSchema": whole}).check({"v": arguments})
    standard = jsonschema.Draft202012Validator(whole).is_valid({"v": arguments})
    if standard:
        assert said is None or said.endswith("is not known")
    else:
        assert said is not None


@given(arguments=st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_no_arguments_at_all_break_the_check(arguments: JsonObject) -> None:
    said = problem({"a": POINT}, arguments)
    assert said is None or said.isprintable()


# Hostile schemas and arguments cost a bounded number of steps, however they are built.

DOUBLING = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)} | {
    "d40": {}
}
TREE = {
    "t": {
        "anyOf": [{"properties": {"l": {"$ref": "#/$defs/t"}, "no": False}, "required": ["no"]}] * 3
    }
}


def _nested(levels: int) -> JsonObject:
    value: JsonObject = {}
    for _ in range(levels):
        value = {"l": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"patternProperties": {"(?!x)": {}}, "unevaluatedProperties": False}, {"a": 1}),
        ({"$ref": "#/$defs/d0"}, 1),
        ({"$ref": "#/properties/x"}, 1),
        ({"$ref": "#/$defs/t"}, _nested(60)),
        ({"pattern": "^(?=a)b"}, "b"),
        ({"pattern": "(a)\\1"}, "aa"),
        ({"patternProperties": {"(?!x)": {}}}, {"a": 1}),
        ({"anyOf": [{"pattern": "^(?=a)b"}, {}]}, "b"),
    ],
)
def test_what_cannot_be_checked_in_bounded_time_is_refused(schema: JsonObject, value: Any) -> None:
    said = problem({"x": schema}, {"x": value}, **{"$defs": DOUBLING | TREE})
    assert said is not None and "in bounded time" in said


@pytest.mark.parametrize("hostile", ["^(a+)+$", "^(a|a)*$", "(.*a){25}", "^([a-zA-Z]+)*$"])
@pytest.mark.parametrize(
    "keyword", ["pattern", "propertyNames", "additionalProperties", "unevaluatedProperties"]
)
def test_a_pattern_that_would_hang_a_backtracking_engine_is_answered(
    keyword: str, hostile: str
) -> None:
    text = "a" * 5000 + "!"
    if keyword == "pattern":
        problem({"x": {"pattern": hostile}}, {"x": text})
    elif keyword == "propertyNames":
        problem({"x": {"propertyNames": {"pattern": hostile}}}, {"x": {text: 1}})
    else:
        schema: JsonObject = {"patternProperties": {hostile: {}}, keyword: False, "properties": {}}
        problem({"x": schema}, {"x": {text: 1}})


@pytest.mark.parametrize(
    "dialect",
    ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"],
)
def test_a_subschema_that_names_a_dialect_is_asked_no_other_way(dialect: str) -> None:
    """The library would take its own keywords there, which run patterns without end and take 5.0 for an integer."""
    number = {"$schema": dialect, "type": "integer"}
    for x in (number, {"allOf": [number]}):
        assert problem({"x": x}, {"x": 5.0}) == "arguments/x: must be of type integer"
    text = {"$schema": dialect, "pattern": "^(?=a)b"}
    assert "in bounded time" in str(problem({"x": text}, {"x": "b"}))


def test_a_pattern_that_cannot_be_run_does_not_stand_in_the_way_of_other_arguments() -> None:
    properties = {"a": {"type": "string", "pattern": "^(?!x)"}, "b": {"type": "string"}}
    assert problem(properties, {"b": "fine"}) is None


def test_a_list_of_thousands_of_different_objects_is_checked_for_twins_at_once() -> None:
    many = [{"n": n} for n in range(5_000)]
    schema = {
        "type": "array",
        "uniqueItems": True,
        "items": {"properties": {"n": {"type": "integer"}}},
    }
    assert problem({"x": schema}, {"x": many}) is None
    assert (
        problem({"x": schema}, {"x": [*many, {"n": 7}]}) == "arguments/x: has the same item twice"
    )


def test_thousands_of_members_and_items_are_told_from_the_rest_at_once() -> None:
    members = {f"m{n}": n for n in range(20_000)}
    rest = {
        "allOf": [{"additionalProperties": {"type": "integer"}}],
        "unevaluatedProperties": False,
    }
    assert problem({"x": rest}, {"x": members}) is None
    items = {"allOf": [{"items": {"type": "integer"}}], "unevaluatedItems": False}
    assert problem({"x": items}, {"x": list(members.values())}) is None


@pytest.mark.parametrize(
    "items",
    [
        {"enum": [f"kind-{n}" for n in range(500)]},
        {"anyOf": [{"const": {"n": 1}}, {"enum": ["x"]}]},
    ],
)
def test_thousands_of_items_are_looked_for_on_a_long_list_at_once(items: JsonObject) -> None:
    good = {"n": 1} if "anyOf" in items else "kind-499"
    many = {"type": "array", "items": items}
    began = time.process_time()
    assert problem({"x": many}, {"x": [good] * 20_000}) is None
    assert problem({"x": many}, {"x": [*[good] * 20_000, "kind"]}) is not None
    assert time.process_time() - began < 10  # each item with each on the list took a minute


def test_no_call_takes_as_long_to_check_as_its_size_and_its_schema_allow_together() -> None:
    twenty: JsonObject = dict.fromkeys(("minLength", "minItems", "minProperties", "minimum"), 1)
    twenty |= dict.fromkeys(("maxLength", "maxItems", "maxProperties", "maximum"), 9)
    twenty |= {"exclusiveMinimum": 0, "exclusiveMaximum": 9, "multipleOf": 2, "uniqueItems": True}
    twenty |= {"required": ["a"], "dependentRequired": {}, "propertyNames": {}, "contains": {}}
    twenty |= {"patternProperties": {}, "properties": {}, "type": "string", "const": "kind"}
    many = {"type": "array", "items": twenty}
    assert problem({"x": many}, {"x": ["kind"] * 12_000}) is None
    assert "bounded time" in str(problem({"x": many}, {"x": ["kind"] * 40_000}))
    nullable = {"type": "array", "items": {"anyOf": [{"type": "null"}, {"type": "string"}]}}
    assert problem({"x": nullable}, {"x": ["x"] * 49_000}) is None


NAMED: JsonObject = {f"p{n}": {} for n in range(300)}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"anyOf": [*[False] * 300, {}]}}, ["a"] * 300),
        ({"items": {"oneOf": [*[False] * 300, {}]}}, ["a"] * 300),
        ({"items": {"allOf": [True] * 300}}, ["a"] * 300),
        ({"items": {"allOf": [{}] * 300}}, ["a"] * 300),
        ({"items": {"properties": NAMED}}, [{}] * 300),
        ({"items": {"dependentSchemas": NAMED}}, [{}] * 300),
        ({"patternProperties": {f"^q{n}": {} for n in range(300)}}, NAMED),
        ({"patternProperties": {f"^q{n}": {} for n in range(300)}, "additionalProperties": {}}, NAMED),
        ({"patternProperties": {f"^q{n}": {} for n in range(300)}, "unevaluatedProperties": {}}, NAMED),
        ({"allOf": [{"uniqueItems": True}] * 300}, list(range(300))),
        ({"allOf": [{"not": {"const": [0]}}] * 300}, list(range(300))),
        ({"allOf": [{"not": {"enum": [[0]]}}] * 300}, list(range(300))),
    ],
)  # fmt: skip
def test_what_a_schema_and_a_value_multiply_is_counted(
    schema: JsonObject, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.core.validate.MAX_STEPS", 2_000)
    assert "bounded time" in str(problem({"x": schema}, {"x": value}))


@pytest.mark.parametrize("deeper", range(8))
def test_a_schema_that_leads_to_itself_is_refused_wherever_the_stack_ends(deeper: int) -> None:
    """In one of so many calls a library in Rust meets the end, and panics: that is no `Exception`."""
    loop = {"type": "object", "allOf": [{"$ref": "#"}]}

    def asked(frames: int) -> str | None:
        return asked(frames - 1) if frames else compile_schema({"inputSchema": loop}).check({})

    assert "bounded time" in str(asked(deeper))


def test_arguments_beyond_the_bound_are_refused_unseen() -> None:
    assert "more than" in (problem({"x": {}}, {"x": list(range(MAX_ARGUMENTS))}) or "")


@pytest.mark.parametrize(
    "schema", [None, [], "x", True, {"type": "string"}, {"type": ["object", "null"]}]
)
def test_an_input_schema_that_is_no_object_schema_is_a_fault(schema: Any) -> None:
    with pytest.raises(SchemaFault):
        compile_schema({"inputSchema": schema})


# Prompts.

ASK: JsonObject = {"name": "ask", "arguments": [{"name": "who", "required": True}, {"name": "how"}]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"who": "me"}, None),
        ({"who": "me", "how": ""}, None),
        ({}, "arguments: who is required"),
        ({"who": 1}, "arguments/who: must be a string"),
        ({"who": "me", "x": "y"}, "arguments/x: is not known"),
        ({"who": None}, "arguments/who: must be a string"),
    ],
)
def test_a_prompt_takes_its_strings_and_no_others(arguments: JsonObject, said: str | None) -> None:
    assert compile_prompt(ASK).check(arguments) == said


@pytest.mark.parametrize(
    "descriptor", [{"name": "x"}, {"name": "x", "arguments": None}, {"name": "x", "arguments": []}]
)
def test_a_prompt_without_arguments_takes_none(descriptor: JsonObject) -> None:
    assert compile_prompt(descriptor).check({}) is None
    assert compile_prompt(descriptor).check({"a": "b"}) is not None


# A whole call.


def call(method: str, params: JsonObject, descriptor: JsonObject | None = None) -> str | None:
    kind: Any = "prompt" if method == "prompts/get" else "tool"
    target = Target("s", kind, "x")
    held = descriptor or {"name": "x", "inputSchema": {"properties": {"a": {"type": "integer"}}}}
    entry = Entry(target, "s__x", held, "sha256:" + json.dumps(held, sort_keys=True))
    return check_call(Resolved(asks(method, params), target, entry, params))


@pytest.mark.parametrize("arguments", [[], "a", None, 0, False, [{"a": 1}]])
def test_arguments_that_are_no_object_are_refused(arguments: Any) -> None:
    assert (
        call("tools/call", {"name": "x", "arguments": arguments}) == "arguments: must be an object"
    )
    assert (
        call("prompts/get", {"name": "x", "arguments": arguments}, ASK)
        == "arguments: must be an object"
    )


def test_a_call_is_checked_by_its_own_descriptor() -> None:
    assert call("tools/call", {"name": "x"}) is None
    assert call("tools/call", {"name": "x", "arguments": {"a": 1}}) is None
    assert call("tools/call", {"name": "x", "arguments": {"a": "1"}}) is not None
    other = {"name": "x", "inputSchema": {"properties": {"a": {"type": "string"}}}}
    assert call("tools/call", {"name": "x", "arguments": {"a": "1"}}, other) is None
    assert call("prompts/get", {"name": "x", "arguments": {"who": "me"}}, ASK) is None


def test_other_methods_have_no_arguments_to_check() -> None:
    assert call("completion/complete", {"arguments": 5}) is None


def test_a_descriptor_that_cannot_be_used_is_a_refusal_not_a_crash() -> None:
    assert "schema" in (call("tools/call", {"arguments": {}}, {"name": "x"}) or "")


def test_null_leaves_out_an_optional_argument_that_is_mirrored_into_a_header_and_no_other() -> None:
    mirrored = {"type": "string", "x-mcp-header": "Region"}
    assert problem({"region": mirrored}, {"region": None}) is None
    assert problem({"region": mirrored}, {"region": None}, required=["region"]) is not None
    assert problem({"region": {"type": "string"}}, {"region": None}) is not None
    assert problem({"region": mirrored}, {"region": 5}) is not None
