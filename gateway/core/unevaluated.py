"""`unevaluatedProperties` and `unevaluatedItems`: the rest that no other keyword at this place looked at.

The stock form takes quadratic time and runs patterns on a backtracking engine. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jsonschema.exceptions import ValidationError
from referencing.jsonschema import lookup_recursive_ref

from gateway.core.keywords import fits, found

Looked = Callable[[Any, Any, dict[str, Any]], Iterable[Any]]
"""(validator, instance, schema) -> the members or indices this schema object itself looks at."""


def unevaluated_properties(
    validator: Any, rest: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """The keyword of 2019-09 and 2020-12."""
    if isinstance(instance, dict):
        seen = set(_evaluated(validator, instance, schema, _members, True))
        for name in instance.keys() - seen:
            yield from validator.descend(instance[name], rest, path=name)


def unevaluated_items(
    validator: Any, rest: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """The keyword of 2019-09 and 2020-12."""
    if isinstance(instance, list):
        seen = set(_evaluated(validator, instance, schema, _indices, True))
        for index in range(len(instance)):
            if index not in seen:
                yield from validator.descend(instance[index], rest, path=index)


def _evaluated(
    validator: Any, instance: Any, schema: Any, looked: Looked, asking: bool = False
) -> Iterator[Any]:
    """What the schema and all that applies beside it look at. `asking`: leave its own "unevaluated" out."""
    if not isinstance(schema, dict):
        return
    own = {k: v for k, v in schema.items() if not (asking and k.startswith("unevaluated"))}
    yield from looked(validator, instance, own)
    for at, part in _referred(validator, schema):
        yield from _evaluated(at, instance, part, looked)
    for part in _applied(validator, instance, schema):
        yield from _evaluated(validator, instance, part, looked)


def _referred(validator: Any, schema: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    resolver = validator._resolver
    targets = [resolver.lookup(schema[k]) for k in ("$ref", "$dynamicRef") if k in schema]
    if "$recursiveRef" in schema:
        targets.append(lookup_recursive_ref(resolver))
    for found_at in targets:
        inner = validator.evolve(schema=found_at.contents, _resolver=found_at.resolver)
        yield inner, found_at.contents


def _applied(validator: Any, instance: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """Subschemas at the same place that the instance fits: only those count."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            if fits(validator, part, instance):
                yield part
    if "if" in schema:
        if fits(validator, schema["if"], instance):
            yield schema["if"]
            yield schema.get("then")
        else:
            yield schema.get("else")
    for name, part in schema.get("dependentSchemas", {}).items():
        if isinstance(instance, dict) and name in instance:
            yield part


def _members(validator: Any, instance: Any, schema: dict[str, Any]) -> Iterator[str]:
    yield from schema.get("properties", {}).keys() & instance.keys()
    for source in schema.get("patternProperties", {}):
        yield from (name for name in instance if found(source, name))
    if "additionalProperties" in schema or "unevaluatedProperties" in schema:
        yield from instance


def _indices(validator: Any, instance: Any, schema: dict[str, Any]) -> Iterable[int]:
    items = schema.get("items")
    whole = isinstance(items, dict | bool) or "unevaluatedItems" in schema
    if whole or (isinstance(items, list) and "additionalItems" in schema):
        return range(len(instance))
    first = schema.get("prefixItems", items if isinstance(items, list) else [])
    seen = set(range(len(first)))
    if "contains" in schema and not isinstance(items, list):
        seen |= {i for i, item in enumerate(instance) if fits(validator, schema["contains"], item)}
    return seen
