"""A quick yes to arguments that are plainly what a plain schema asks for; whatever is less plain is asked in full.

It says yes only where the full question (validate.py) says nothing is wrong, and never says no: scalars, lists
of them, and objects whose every member is named. Most calls of most tools are that. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.core.model import JsonObject

Yes = Callable[[Any], bool]

MOST_MEMBERS: Final = 40
MOST_ITEMS: Final = 1_000
"""So that what gets a quick yes is far within the bounds the full question has."""

_SAYS_NOTHING: Final = frozenset(
    {"title", "description", "default", "examples", "$comment", "deprecated", "x-mcp-header"}
)
_DIALECTS: Final = (
    None,
    "https://json-schema.org/draft/2020-12/schema",
    "http://json-schema.org/draft-07/schema#",
)
_TEXTS: Final = frozenset({str})
_OBJECT: Final = _SAYS_NOTHING | {
    "$schema",
    "type",
    "properties",
    "required",
    "additionalProperties",
}


def compile_quick(schema: JsonObject) -> Yes:
    """The quick question of an input schema, which is a valid one."""
    if schema.get("$schema") not in _DIALECTS:
        return never
    return _object(schema)


def never(_: Any) -> bool:
    """Of what is less plain."""
    return False


def _object(schema: JsonObject) -> Yes:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    plain = schema.keys() <= _OBJECT and schema.get("type", "object") == "object"
    if not plain or not isinstance(properties, dict) or len(properties) > MOST_MEMBERS:
        return never
    if not isinstance(required, list):
        return never
    members = {name: _value(inner) for name, inner in properties.items()}
    needed, known = frozenset(required), members.keys()
    if all(ask is _is_text for ask in members.values()):
        return lambda value: (
            type(value) is dict
            and needed <= value.keys() <= known
            and _TEXTS.issuperset(map(type, value.values()))
        )

    def yes(value: Any) -> bool:
        if type(value) is not dict or not value.keys() >= needed:
            return False
        for name, one in value.items():
            ask = members.get(name)
            if ask is None or not ask(one):
                return False
        return True

    return yes


def _value(schema: Any) -> Yes:
    if not isinstance(schema, dict):
        return never
    said = {name: value for name, value in schema.items() if name not in _SAYS_NOTHING}
    match said.pop("type", None):
        case "string":
            return _string(said)
        case "integer":
            return _number(said, int)
        case "number":
            return _number(said, int, float)
        case "boolean" if not said:
            return lambda value: value is True or value is False
        case "array":
            return _array(said)
    return never


def _is_text(value: Any) -> bool:
    return type(value) is str


def _string(said: JsonObject) -> Yes:
    if said.keys() == {"enum"} and isinstance(said["enum"], list):
        listed = frozenset(one for one in said["enum"] if type(one) is str)
        return lambda value: type(value) is str and value in listed
    if not said:
        return _is_text
    least, most = said.pop("minLength", 0), said.pop("maxLength", 2**63)
    if said or type(least) is not int or type(most) is not int:
        return never
    return lambda value: type(value) is str and least <= len(value) <= most


def _number(said: JsonObject, *kinds: type) -> Yes:
    least, most = said.pop("minimum", -(2**64)), said.pop("maximum", 2**64)
    if said or type(least) is not int or type(most) is not int:
        return never
    return lambda value: type(value) in kinds and least <= value <= most


def _array(said: JsonObject) -> Yes:
    items = said.pop("items", None)
    if said or not isinstance(items, dict) or items.get("type") in ("array", "object"):
        return never
    each = _value(items)
    return lambda value: (
        type(value) is list and len(value) <= MOST_ITEMS and all(each(one) for one in value)
    )
