"""Arguments for a tool nobody told us of: from its input schema, and from what was seen lying about in the world.

An argument called `user_id` is likely to be the id of one of the users. Half of all values are such finds;
others are what the schema names, or anything at all: calls that do nothing or fail are tried, too. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from random import Random
from typing import Any, Final

from gateway.core.model import JsonObject

WORDS: Final = ("", "a", "b c", "zoë", "\U0001f600", "0", "2026-11-24", "x" * 40)
DEPTH: Final = 6
MOST: Final = 64
"""So many values are kept of one name, the latest."""
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")
_WORD: Final = re.compile(r"[A-Za-z][\w-]+")


class Finds:
    """Values seen in the world, by the name under which they lay: those of the last look, and all there were."""

    def __init__(self) -> None:
        self._now: dict[str, list[Any]] = {}
        self._ever: dict[str, list[Any]] = {}
        self._told: dict[str, list[Any]] = {}

    def turn(self) -> None:
        """The world is looked at anew."""
        self._now = {}

    def note(self, key: str, record: Any) -> None:
        """A record of a store: what is in it, and the parts of its key by the names of those before them."""
        parts = [part for part in key.split("/") if part]
        for name, value in pairwise(parts):
            self._add(name, value)
        self._walk(parts[0] if parts else "", record)

    def named(self, name: str) -> list[Any]:
        """What lies under this name now, or else what ever did: in the singular or the plural, with or
        without `id`."""
        stem = _stem(name)
        return self._now.get(stem) or self._ever.get(stem, [])

    def tell(self, name: str, value: str) -> None:
        """A person's word: worth trying under this name, whatever lies there or worked."""
        _keep(self._told, name, value)

    def told(self, name: str) -> list[Any]:
        return self._told.get(_stem(name), [])

    def learn(self, given: JsonObject) -> None:
        """Arguments that worked: what is asked by these names likes these values."""
        for name, value in given.items():
            self._walk(name, value)

    def any(self) -> list[Any]:
        """Everything."""
        return [value for values in self._ever.values() for value in values]

    def _walk(self, name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for inner, each in value.items():
                self._add(name, inner)
                # What a ticket calls `id` others call `ticket_id`.
                self._walk(name if inner in ("is", "id", "key") else inner, each)
        elif isinstance(value, list):
            for each in value:
                self._walk(name, each)
        elif value is not None:
            self._add(name, value)

    def _add(self, name: str, value: Any) -> None:
        for held in (self._now, self._ever):
            _keep(held, name, value)


def _keep(held: dict[str, list[Any]], name: str, value: Any) -> None:
    values = held.setdefault(_stem(name), [])
    # A key is text wherever it stands; the tool may want the number.
    numbers = [int(value)] if isinstance(value, str) and _NUMBER.fullmatch(value) else []
    values += [each for each in (value, *numbers) if each not in values[-MOST:]]
    del values[:-MOST]


def _stem(name: str) -> str:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", plain) if word]
    kept = [word for word in words if word not in ("id", "ids", "new", "old", "target")] or words
    last = kept[-1] if kept else ""
    return last[:-1] if len(last) > 3 and last.endswith("s") else last


def arguments(schema: JsonObject, finds: Finds, rng: Random) -> JsonObject:
    """Arguments that are likely to fit. They need not: a refusal is a call, too.

    Words of the `description` of a schema, or of one of its properties, are tried for texts: many name there
    what they take."""
    made = _made(schema, "", schema, finds, rng, DEPTH)
    return made if isinstance(made, dict) else {}


def _made(schema: Any, name: str, root: JsonObject, finds: Finds, rng: Random, depth: int) -> Any:
    if not isinstance(schema, dict) or depth == 0:
        return None
    if "$ref" in schema:
        return _made(_referred(schema["$ref"], root), name, root, finds, rng, depth - 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return rng.choice(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if schema.get(several):
            return _made(rng.choice(schema[several]), name, root, finds, rng, depth - 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = rng.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        return _object(schema, root, finds, rng, depth)
    if kind == "array":
        many = rng.randint(int(schema.get("minItems", 0)), max(int(schema.get("minItems", 0)), 2))
        return [
            _made(schema.get("items", {}), name, root, finds, rng, depth - 1) for _ in range(many)
        ]
    return _scalar(schema, str(kind), name, finds, rng, _WORD.findall(_about(schema, root)))


def _about(schema: JsonObject, root: JsonObject) -> str:
    own = schema.get("description")
    return str(own if own and schema is not root else root.get("description", ""))


def _object(schema: JsonObject, root: JsonObject, finds: Finds, rng: Random, depth: int) -> Any:
    required = schema.get("required", ())
    return {
        name: _made(each, name, root, finds, rng, depth - 1)
        for name, each in (schema.get("properties") or {}).items()
        if name in required or rng.random() < 0.5
    }


def _scalar(
    schema: JsonObject, kind: str, name: str, finds: Finds, rng: Random, told: list[str]
) -> Any:
    if kind == "null":
        return None
    if kind == "boolean":
        return rng.random() < 0.5
    likely, told_of = (list(_of_kind(some, kind)) for some in (finds.named(name), finds.told(name)))
    if told_of and (not likely or rng.random() < 0.5):
        likely = told_of
    if likely and rng.random() < (0.6 if kind == "string" else 0.8):
        return rng.choice(likely)
    given = list(_of_kind([*schema.get("examples", ()), schema.get("default")], kind))
    others = list(_of_kind(finds.any(), kind))
    if kind in ("integer", "number"):
        least, most = schema.get("minimum", 0), schema.get("maximum", 100)
        return rng.choice([*given, *others[:3], rng.randint(int(least), int(max(most, least)))])
    return rng.choice(
        rng.choice([list(WORDS), told or given or list(WORDS), given or others or list(WORDS)])
    )


def _of_kind(values: Iterable[Any], kind: str) -> Iterable[Any]:
    kinds: Mapping[str, tuple[type, ...]] = {
        "integer": (int,),
        "number": (int, float),
        "string": (str,),
    }
    return (value for value in values if type(value) in kinds.get(kind, ()))


def _referred(reference: str, root: JsonObject) -> Any:
    node: Any = root
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node
