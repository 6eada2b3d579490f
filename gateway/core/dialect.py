"""JSON Schema as a hostile author may write it and still harm nobody: dialects, references, limits.

The `jsonschema` library with keywords of our own (keywords.py), an integer that is written as one
(5.0, "5" and true are not), no reference that leaves the schema, and a bounded number of steps per
check. Nothing is ever fetched. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from jsonschema import validators
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from gateway.core.bounded import limited, spend
from gateway.core.keywords import HOLDS, SHAPES, Keyword, predicate
from gateway.core.unevaluated import unevaluated_items, unevaluated_properties

MAX_DEPTH: Final = 64
MAX_NODES: Final = 10_000
DEFAULT: Final = "https://json-schema.org/draft/2020-12/schema"
_DIALECTS: Final = (
    DEFAULT,
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
)
_NAMED: Final = {name.partition("://")[2]: name for name in _DIALECTS}
REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
DATA: Final = frozenset({"const", "enum", "default", "examples"})
"""Members that hold values, not schemas: a `$ref` in there is nobody's reference."""
NAMES: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Members whose own members are named by the author: `properties: {"enum": ...}` is no enum."""


class SchemaFault(ValueError):
    """This schema cannot be used: its descriptor is quarantined."""


def build(schema: Any) -> Any:
    """A validator (as `jsonschema` makes them) that resolves nothing outside of the schema.

    Raises `SchemaFault` for a schema that is too large, unknown in dialect, not valid, or that
    refers to something it does not hold itself.
    """
    nodes = bound(schema)
    base = _dialect(schema)
    checker = _strict(base, False)(base.META_SCHEMA, registry=Registry())
    with limited(10_000 + 500 * nodes):
        problem = next(checker.iter_errors(schema), None)
    if problem is not None:
        place = "/".join(str(part) for part in problem.absolute_path)
        raise SchemaFault(f"not a JSON Schema at /{place}")
    validator = _strict(base, True)(schema, registry=Registry())
    _check_references(schema, resolver(schema))
    return validator


def resolver(schema: Any) -> Any:
    """Looks references up inside of the schema, and nowhere else."""
    resource = specification_with(_named(schema)).create_resource(schema)
    return Registry().resolver_with_root(resource)


def keywords(schema: Any) -> frozenset[str]:
    """Those of its dialect that limit anything. Raises `SchemaFault` for a dialect nobody knows."""
    return frozenset(_dialect(schema).VALIDATORS)


def bound(value: Any) -> int:
    """How many nodes a schema has. Raises `SchemaFault` when it is too deep or too large."""
    nodes, level = 0, [value]
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise SchemaFault(f"larger than {MAX_NODES} nodes")
        level = [child for node in level for child in _children(node)]
        if not level:
            return nodes
    raise SchemaFault(f"nested deeper than {MAX_DEPTH}")


def count(value: Any, limit: int) -> int:
    """How many nodes a JSON value has; stops counting above `limit`."""
    nodes, stack = 0, [value]
    while stack and nodes <= limit:
        nodes += 1
        stack.extend(_children(stack.pop()))
    return nodes


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def _dialect(schema: Any) -> Any:
    return validators.validator_for({"$schema": _named(schema)})


def _named(schema: Any) -> str:
    """Its dialect's name. Many write https for http, or the other way round: it could mean nothing else."""
    name = schema.get("$schema") if isinstance(schema, dict) else None
    scheme, _, rest = (DEFAULT if name is None else str(name)).partition("://")
    known = _NAMED.get(rest.rstrip("#")) if scheme in ("http", "https") else None
    if known is None:
        raise SchemaFault("its $schema is not a known dialect")
    return known


@lru_cache(maxsize=16)
def _strict(base: Any, exact: bool) -> Any:
    own: dict[str, Keyword] = {name: predicate(holds) for name, holds in HOLDS.items()}
    own.update(SHAPES)
    own["unevaluatedProperties"] = unevaluated_properties
    own["unevaluatedItems"] = unevaluated_items
    keywords = {name: _counted(own.get(name, stock)) for name, stock in base.VALIDATORS.items()}
    types = base.TYPE_CHECKER
    if exact:
        types = types.redefine("integer", _is_integer)
    strict: Any = validators.extend(base, keywords, type_checker=types)  # type: ignore[no-untyped-call]
    kept = [(each.name, each.alias) for each in strict.__attrs_attrs__ if each.init]

    def evolve(validator: Any, **changes: Any) -> Any:
        """For a subschema. The stock form takes the library's own keywords for one that names a `$schema`."""
        return strict(**{alias: getattr(validator, name) for name, alias in kept} | changes)

    def descend(validator: Any, instance: Any, schema: Any, **more: Any) -> Any:
        spend(1)
        return base.descend(validator, instance, schema, **more)

    strict.evolve, strict.descend = evolve, descend
    return strict


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _counted(keyword: Keyword) -> Keyword:
    def step(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        # One that has thousands of members looks for each, in every object.
        spend(1 + len(value) // 8 if isinstance(value, dict) else 1)
        return keyword(validator, value, instance, schema)

    return step


def _check_references(schema: Any, here: Any) -> None:
    """Every reference is found inside of the schema. A network address never is."""
    if not isinstance(schema, dict):
        return
    for keyword in REFERENCES:
        target = schema.get(keyword)
        if isinstance(target, str):
            try:
                here.lookup(target)
            except (Unresolvable, ValueError):
                raise SchemaFault(
                    f"{keyword} {target[:80]!r} is not found inside the schema"
                ) from None
    for key, value in schema.items():
        if key in NAMES and isinstance(value, dict):
            for each in value.values():
                _check_references(each, inside(here, each))
        elif key not in DATA:
            for each in value if isinstance(value, list) else [value]:
                _check_references(each, inside(here, each))


def inside(here: Any, schema: Any) -> Any:
    """The resolver as it stands within a subschema, which may have an `$id` of its own."""
    if not isinstance(schema, dict) or not isinstance(schema.get("$id"), str):
        return here
    resource = specification_with(DEFAULT).create_resource(schema)
    return here.in_subresource(resource)
