"""One unfit descriptor is kept back alone, with a reason."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from gateway.catalogue.items import MAX_DESCRIPTOR, examine, fault, matcher
from tests.catalogue.offering import resource, template, tool


def _schema(**properties: Any) -> dict[str, Any]:
    return tool("x", inputSchema={"type": "object", "properties": properties})


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return tool("x", inputSchema=schema)


UNFIT: list[tuple[Any, str]] = [
    ("a string", "is not an object"),
    ({"description": "no name"}, "has no name"),
    (tool("re\u200bad"), "cannot be seen"),
    ({"name": "x"}, "inputSchema is not an object"),
    (tool("x", inputSchema={"type": "array"}), "not of type object"),
    (tool("x", inputSchema={"type": "object", "properties": []}), "not a JSON Schema at /properties"),
    (tool("x", inputSchema={"$schema": "https://example.com/own"}), "not a known dialect"),
    (_schema(a={"$ref": "https://example.com/schema.json"}), "not found inside the schema"),
    (_schema(a={"$ref": "file:///etc/passwd"}), "not found inside the schema"),
    (_schema(a={"$ref": "#/$defs/none"}), "not found inside the schema"),
    (_schema(a={"anyOf": [{"$dynamicRef": "//x/y"}]}), "not found inside the schema"),
    (_deep(40), "nested deeper"),
    (_schema(**{f"p{i}": {"type": "string"} for i in range(6000)}), "larger than"),
    (tool("x", outputSchema={"$ref": "http://example.com"}), "outputSchema: $ref"),
    (tool("x", outputSchema={"type": "nonsense"}), "outputSchema: not a JSON Schema"),
    (_schema(a={"type": "string", "x-mcp-header": "not a token"}), "x-mcp-header"),
    (_schema(a={"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}), "x-mcp-header"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "why"), UNFIT, ids=[why for _, why in UNFIT])
def test_an_unfit_tool_has_a_fault(raw: Any, why: str) -> None:
    assert why in (examine("tool", raw).fault or "")


@pytest.mark.parametrize(
    ("kind", "raw", "why"),
    [
        ("prompt", {"name": "p", "arguments": "x"}, "not a list"),
        ("prompt", {"name": "p", "arguments": [{"name": 1}]}, "not a list of named"),
        ("prompt", {"name": "p", "arguments": [{"name": "a"}, {"name": "a"}]}, "listed twice"),
        ("resource", {"name": "no uri"}, "has no URI"),
        ("resource", resource("file:///a b"), "white space"),
        ("resource", resource("file:///a\n"), "white space"),
        ("template", {"name": "x"}, "has no URI"),
        ("template", template("x" * 9000), "longer than"),
    ],
)
def test_an_unfit_prompt_or_resource_has_a_fault(kind: Any, raw: Any, why: str) -> None:
    assert why in (examine(kind, raw).fault or "")


@pytest.mark.parametrize(
    "raw",
    [
        tool("x"),
        tool("x", inputSchema={}),
        tool("x", vendor={"anything": [1, 2.5, None]}),
        tool("x", outputSchema={"type": "array", "items": {"type": "string"}}),
        tool("x", outputSchema={"$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "b"}}}),
        tool("x", inputSchema={"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}),
        tool("x", inputSchema={"$id": "https://example.com/s", "$ref": "#/$defs/a", "$defs": {"a": {}}}),
        _schema(a={"default": {"$ref": "https://example.com"}}, b={"enum": [{"$ref": "x"}]}),
        _schema(enum={"type": "string"}, default={"$ref": "#/properties/enum"}),
        _schema(a={"pattern": "^(?!x)"}),
        _schema(a={"type": "string", "x-mcp-header": "Region"}),
        _deep(20),
    ],
)  # fmt: skip
def test_a_legal_tool_has_no_fault(raw: dict[str, Any]) -> None:
    assert fault("tool", raw) is None


def test_a_reference_in_data_is_nobodys_but_one_in_a_property_called_default_is() -> None:
    raw = _schema(default={"$ref": "https://example.com"})
    assert "not found" in (fault("tool", raw) or "")


def test_a_huge_descriptor_has_a_fault_and_a_digest() -> None:
    item = examine("tool", tool("x", description="a" * MAX_DESCRIPTOR))
    assert "larger than" in (item.fault or "")
    assert item.digest.startswith("sha256:")


def test_a_descriptor_that_is_not_json_has_a_fault() -> None:
    assert examine("tool", tool("x", description="\ud800")).fault is not None


def test_a_template_that_cannot_be_matched_matches_nothing() -> None:
    assert matcher("file:///{name:3}") is None
    found = matcher("file:///{name}")
    assert found is not None and found.match("file:///a") is not None


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("files://{path*}", "files://a/b/c"),
        ("repo://{owner}/{path*}/raw", "repo://me/a/b/raw"),
        ("search://all{?tags*}", "search://all?tags=a&tags=b"),
        ("search://all{?q,tags*}", "search://all?q=x&tags=a"),
        ("search://all{?q}{&tags*}", "search://all?q=x&tags=a"),
    ],
)
def test_a_template_as_fastmcp_writes_them_leads_to_what_it_means(name: str, uri: str) -> None:
    found = matcher(name)
    assert found is not None and found.match(uri) is not None
    assert found.match("other://a") is None


def test_a_descriptor_that_was_looked_at_is_not_kept() -> None:
    class Descriptor(dict[str, Any]):
        """A dict that can be watched."""

    raw = Descriptor(tool("looked-at-once"))
    watched = weakref.ref(raw)
    assert examine("tool", raw).fault is None
    assert examine("tool", dict(raw)).fault is None
    del raw
    gc.collect()
    assert watched() is None
