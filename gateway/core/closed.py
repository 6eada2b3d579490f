"""Which members a schema knows: anything else in the arguments is refused, at every depth.

Most tool schemas forget `additionalProperties: false`, and an argument the schema never mentions is
one no policy condition looks at. The schema itself is never rewritten; it is asked a second question:

1. At a place in the arguments, all subschemas that apply there in place are looked at together: the
   schema itself, its `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else`, `dependentSchemas` and what its
   references lead to. A member is known if any of them names it (`properties`, `patternProperties`).
2. A schema that speaks for itself is taken at its word: `additionalProperties` or
   `unevaluatedProperties` other than false, or `propertyNames`, let unnamed members in.
3. The arguments as a whole are closed unless rule 2 opens them, also when no member is named at all.
4. Further inside, an object for which nothing is named is a free map and stays open; so is one that has
   a bare alternative (`anyOf: [..., {"type": "object"}]`).

What is known is validated by the schema as it stands; so no legal schema changes its meaning. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.bounded import spend
from gateway.core.dialect import REFERENCES, inside, resolver
from gateway.core.keywords import found

_ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "$comment", "deprecated", "type"}
)

Place = tuple[Any, Any]
"""A subschema and the resolver that stands where it stands."""


@dataclass(slots=True)
class _Known:
    """What the schemas of one place say of the members and items there."""

    names: dict[str, list[Place]] = field(default_factory=dict)
    patterns: list[tuple[str, Place]] = field(default_factory=list)
    rest: list[Place] = field(default_factory=list)
    opened: bool = False
    bare: bool = False
    first_items: list[list[Place]] = field(default_factory=list)
    items: list[Place] = field(default_factory=list)

    def lets_in(self, root: bool) -> bool:
        """May a member nobody names stand here?"""
        if self.opened:
            return True
        return not root and (self.bare or not (self.names or self.patterns))


class Closed:
    """One schema's second question. Keeps what it found out about each place of the schema."""

    def __init__(self, schema: Any) -> None:
        dialect = str(schema.get("$schema", "")) if isinstance(schema, dict) else ""
        self._reference_alone = "/draft-0" in dialect
        """Up to draft 7, a `$ref` silences what stands beside it."""
        self._root: Place = (schema, resolver(schema))
        self._known: dict[tuple[tuple[int, tuple[str, ...]], ...], _Known] = {}

    def unknown_member(self, arguments: Any) -> list[str | int] | None:
        """The path of the first member the schema does not know; None if it knows them all.

        Raises what `keywords.found` and `bounded.spend` raise.
        """
        return self._look([self._root], arguments, True)

    def _look(self, places: list[Place], value: Any, root: bool) -> list[str | int] | None:
        parts: Iterator[tuple[str | int, Any, list[Place]]]
        if isinstance(value, dict):
            known = self._at(places)
            unknown = self._unnamed(known, value, root)
            if unknown is not None:
                return [unknown]
            parts = ((name, part, _of_member(known, name)) for name, part in value.items())
        elif isinstance(value, list):
            known = self._at(places)
            parts = ((i, part, _of_item(known, i)) for i, part in enumerate(value))
        else:
            return None
        for step, part, inner in parts:
            if inner and isinstance(part, dict | list):
                path = self._look(inner, part, False)
                if path is not None:
                    return [step, *path]
        return None

    def _unnamed(self, known: _Known, value: dict[str, Any], root: bool) -> str | None:
        if known.lets_in(root):
            return None
        for name in value:
            spend(1)
            if name not in known.names and not any(found(p, name) for p, _ in known.patterns):
                return name
        return None

    def _at(self, places: list[Place]) -> _Known:
        key = tuple((id(schema), _scope(here)) for schema, here in places)
        spend(len(key))
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 1000:
                self._known.clear()
            known = self._known[key] = self._gather(places)
        return known

    def _gather(self, places: list[Place]) -> _Known:
        known, seen = _Known(), set[int]()
        waiting = [(schema, here, False) for schema, here in places]
        while waiting:
            schema, here, alternative = waiting.pop()
            spend(1)
            if schema is True or schema == {}:
                known.bare = known.bare or alternative
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            known.bare = known.bare or (alternative and _is_bare(schema))
            if not (self._reference_alone and "$ref" in schema):
                _read(known, schema, here)
            waiting.extend(self._in_place(schema, here, alternative))
        return known

    def _in_place(
        self, schema: dict[str, Any], here: Any, alternative: bool
    ) -> Iterator[tuple[Any, Any, bool]]:
        """The schemas that apply where this one does; whether each is one choice among several."""
        for keyword in REFERENCES:
            target = schema.get(keyword)
            if isinstance(target, str):
                resolved = here.lookup(target)
                yield resolved.contents, resolved.resolver, alternative
        if self._reference_alone and "$ref" in schema:
            return
        for keyword in ("allOf", "anyOf", "oneOf"):
            for each in schema.get(keyword, ()):
                yield *_placed(each, here), keyword != "allOf"
        for keyword in ("if", "then", "else"):
            if keyword in schema:
                yield *_placed(schema[keyword], here), False
        for keyword in ("dependentSchemas", "dependencies"):
            for each in schema.get(keyword, {}).values():
                yield *_placed(each, here), False


def _placed(schema: Any, here: Any) -> Place:
    """A subschema of one that stands here. It may have an `$id` of its own."""
    return schema, inside(here, schema)


def _scope(here: Any) -> tuple[str, ...]:
    """The resources a reference came through, from the outermost on: by them `$dynamicRef` finds another target
    from the same place. How often it came through one is no matter."""
    return tuple(dict.fromkeys(reversed([uri for uri, _ in here.dynamic_scope()])))


def _read(known: _Known, schema: dict[str, Any], here: Any) -> None:
    for name, inner in schema.get("properties", {}).items():
        known.names.setdefault(name, []).append(_placed(inner, here))
    for pattern, inner in schema.get("patternProperties", {}).items():
        known.patterns.append((pattern, _placed(inner, here)))
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        rest = schema.get(keyword, False)
        if rest is not False:
            known.opened = True
            known.rest.append(_placed(rest, here))
    known.opened = known.opened or "propertyNames" in schema
    items = schema.get("items")
    first = schema.get("prefixItems", items if isinstance(items, list) else [])
    for index, inner in enumerate(first):
        if len(known.first_items) <= index:
            known.first_items.append([])
        known.first_items[index].append(_placed(inner, here))
    for rest in (items, schema.get("additionalItems"), schema.get("unevaluatedItems")):
        if isinstance(rest, dict):
            known.items.append(_placed(rest, here))


def _of_member(known: _Known, name: str) -> list[Place]:
    named = known.names.get(name, [])
    matched = [place for pattern, place in known.patterns if found(pattern, name)]
    return named + matched or known.rest


def _of_item(known: _Known, index: int) -> list[Place]:
    first = known.first_items[index] if index < len(known.first_items) else []
    return first + known.items


def _is_bare(schema: dict[str, Any]) -> bool:
    """An alternative that takes any object at all."""
    types = schema.get("type", "object")
    return schema.keys() <= _ANNOTATIONS and ("object" == types or "object" in types)
