"""What is known of a value before there is one: a JSON Schema, asked for members, items and types.

Knows just enough of JSON Schema to catch a misspelt member or a wrong type; where a schema leaves
something open, so does this. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.core.model import JsonObject
from gateway.values import Value

MAX_BRANCHES: Final = 64
NUMBERS: Final = frozenset({"integer", "number"})


class Wrong(ValueError):
    """This can never be: the message says what was asked of what."""


class Shape(Value):
    """A schema and the document its references point into."""

    schema: Any
    root: Any = None

    def branches(self) -> Iterator[dict[str, Any]]:
        """The object schemas that may describe the value; nothing at all when one leaves it open."""
        waiting, found = [self.schema], list[dict[str, Any]]()
        while waiting:
            schema = waiting.pop()
            if isinstance(schema, dict) and "$ref" in schema:
                schema = self._referred(schema["$ref"])
            if not isinstance(schema, dict) or len(found) > MAX_BRANCHES:
                return
            choices = [each for key in ("anyOf", "oneOf") for each in schema.get(key, ())]
            if "allOf" in schema or "if" in schema or len(waiting) > MAX_BRANCHES:
                return
            waiting.extend(choices)
            if not choices:
                found.append(schema)
        yield from found

    def _referred(self, reference: str) -> Any:
        node = self.root
        if not isinstance(reference, str) or not reference.startswith("#"):
            return True
        for part in reference[1:].strip("/").split("/") if reference != "#" else ():
            node = node.get(part) if isinstance(node, dict) else None
        return True if node is None or (isinstance(node, dict) and "$ref" in node) else node

    def types(self) -> frozenset[str] | None:
        """The JSON types it may have; None when that is open."""
        names: set[str] = set()
        branches = list(self.branches())
        for schema in branches:
            stated = schema.get("type")
            if stated is None and "properties" in schema:
                stated = "object"
            if stated is None and ("const" in schema or "enum" in schema):
                values = schema.get("enum", [schema.get("const")])
                stated = [json_type(value) for value in values]
            if stated is None:
                return None
            names.update([stated] if isinstance(stated, str) else stated)
        return frozenset(names) if branches else None

    def member(self, name: str) -> Shape:
        """The shape of `.name`. Raises `Wrong` when there can be none."""
        self.must_be("object", f".{name} of")
        found: list[Any] = []
        known: set[str] = set()
        branches = [each for each in self.branches() if each.get("type", "object") != "null"]
        for schema in branches:
            properties = schema.get("properties", {})
            known |= properties.keys()
            if name in properties:
                found.append(properties[name])
            elif _is_open(schema):
                extra = schema.get("additionalProperties", True)
                found.append(extra)
        if branches and not found:
            raise Wrong(f"no member {name}; there are: {', '.join(sorted(known)) or 'none'}")
        return self._of(found)

    def items(self) -> Shape:
        """The shape of one item. Raises `Wrong` for what is no list."""
        self.must_be("array", "an item of")
        branches = [each for each in self.branches() if "prefixItems" not in each]
        return self._of([each.get("items", True) for each in branches])

    def _of(self, schemas: list[Any]) -> Shape:
        if not schemas:
            return ANY
        return Shape(schemas[0] if len(schemas) == 1 else {"anyOf": schemas}, self.root)

    def must_be(self, wanted: str, words: str) -> None:
        """Raises `Wrong` when it can never be of that type."""
        types = self.types()
        if types is not None and not fits(types, wanted):
            raise Wrong(f"{words} {' or '.join(sorted(types))}")


ANY: Final = Shape(True)


def object_of(shapes: Mapping[str, Shape], sure: list[str] | None = None) -> Shape:
    """The shape of an object of parts that may come from different documents: references are resolved first."""
    return Shape(
        {
            "type": "object",
            "properties": {key: closed(each) for key, each in shapes.items()},
            "required": list(shapes) if sure is None else sure,
            "additionalProperties": False,
        }
    )


def list_of(shapes: list[Shape]) -> Shape:
    """The shape of a list of such items."""
    return (
        Shape({"type": "array", "items": closed(either(shapes))})
        if shapes
        else Shape({"type": "array"})
    )


def either(shapes: list[Shape]) -> Shape:
    """One of these."""
    if len(shapes) == 1:
        return shapes[0]
    return Shape({"anyOf": [closed(each) for each in shapes]}) if shapes else ANY


def closed(shape: Shape, depth: int = 0) -> Any:
    """The schema with its references followed, a few levels deep; open below that."""
    branches = list(shape.branches())
    if not branches or depth > 6:
        return True
    closed = [_closed_branch(each, shape.root, depth) for each in branches]
    return closed[0] if len(closed) == 1 else {"anyOf": closed}


def _closed_branch(schema: JsonObject, root: Any, depth: int) -> JsonObject:
    kept: JsonObject = {k: schema[k] for k in ("type", "const", "enum", "required") if k in schema}
    if "properties" in schema:
        kept["properties"] = {
            key: closed(Shape(each, root), depth + 1) for key, each in schema["properties"].items()
        }
        kept["additionalProperties"] = schema.get("additionalProperties", False) is not False
    if "items" in schema:
        kept["items"] = closed(Shape(schema["items"], root), depth + 1)
    return kept


def fits(types: frozenset[str], wanted: str) -> bool:
    """May a value of one of these types be a `wanted`? Integers are numbers."""
    return wanted in types or (wanted in NUMBERS and bool(types & NUMBERS))


def _is_open(schema: dict[str, Any]) -> bool:
    """May it have members it does not name? As at the gate: what a schema does not name is refused."""
    if "additionalProperties" in schema:
        return schema["additionalProperties"] is not False
    return not schema.get("properties") or "patternProperties" in schema


def json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
    return "object"
