"""What pydantic finds wrong in an operator's file, in the words of somebody who writes YAML.

A key that is misspelt is two faults to it: one that is unknown, and one that is missing. The first is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_LIST: Final = "must be a list, as in [a, b]"
_MAPPING: Final = "must be a mapping of keys to values"
_SAID: Final = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "string_type": "must be text: a number, true and false need quotes",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
}
_ENUM: Final = re.compile(r"<\w+\.\w+: ('\w+')>")
"""How pydantic names what could stand there, if it is an enum's: as Python writes it."""
_SHOULD: Final = re.compile(r"^[A-Z]\w* should ")
_KINDS: Final = ("union_tag_invalid", "union_tag_not_found")
_ALIKE: Final = 0.75
"""How much two keys must have in common for one to be asked about: `teir` and `tier` have just that."""


class Fault(NamedTuple):
    """One thing that is wrong."""

    place: tuple[str | int, ...]
    said: str
    hint: str


def first(error: ValidationError, model: type[BaseModel], tree: Any) -> Fault:
    """The first that is wrong; an unknown key before anything else. `tree`: what was read."""
    found = error.errors(include_url=False)
    fault = min(found, key=lambda each: each["type"] != "extra_forbidden")
    if fault["type"] in _KINDS:
        return _kind(fault)
    place = _written(tree, fault["loc"])
    said = _SHOULD.sub("must ", _ENUM.sub(r"\1", fault["msg"].removeprefix("Value error, ")))
    hint = _meant(model, place) if fault["type"] == "extra_forbidden" else ""
    return Fault(place, _SAID.get(fault["type"], said), hint)


def _kind(fault: ErrorDetails) -> Fault:
    """Of parts of several kinds: the key that says which is missing, or says none of them."""
    about = fault.get("ctx", {})
    key = str(about["discriminator"]).strip("'")
    said = (
        f"'{about['tag']}' is none of {about['expected_tags']}" if "tag" in about else "is missing"
    )
    return Fault((*fault["loc"], key), said, "")


def _written(tree: Any, place: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Without the kinds of parts, which pydantic names on the way and which stand in no file."""
    found: list[str | int] = []
    for number, step in enumerate(place, 1):
        if isinstance(tree, dict) and step not in tree and number < len(place):
            continue
        found.append(step)
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            tree = None
    return tuple(found)


def _meant(model: type[BaseModel], place: tuple[str | int, ...]) -> str:
    from difflib import get_close_matches

    schema = model.model_json_schema()
    known = sorted(set(_keys(schema, schema, place[:-1])))
    near = get_close_matches(str(place[-1]), known, 1, _ALIKE)
    return f"is it {near[0]}?" if near else ""


def _keys(
    schema: dict[str, Any], node: dict[str, Any], place: tuple[str | int, ...]
) -> Iterator[str]:
    """What a mapping at `place`, below `node` of the schema, may have as keys."""
    if "$ref" in node:
        yield from _keys(schema, schema["$defs"][node["$ref"].rpartition("/")[2]], place)
    for either in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _keys(schema, either, place)
    named = node.get("properties", {})
    if not place:
        yield from named
        return
    free = (node.get("additionalProperties"), node.get("items"))
    for below in (named.get(place[0]), *free, *node.get("patternProperties", {}).values()):
        if isinstance(below, dict):
            yield from _keys(schema, below, place[1:])
