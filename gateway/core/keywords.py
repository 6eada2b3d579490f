"""JSON Schema keywords whose stock form a hostile schema or a huge argument could turn against us.

Patterns are run by RE2 in linear time, `uniqueItems` is linear, an `enum` costs the same however long it is,
numbers are compared with their type, and no message quotes the arguments (they may be long, and they may
be secret). Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import re2
from jsonschema.exceptions import ValidationError

from gateway.core.bounded import spend
from gateway.made import Made

Errors = Iterator[ValidationError]
Keyword = Callable[[Any, Any, Any, Any], Any]
Holds = Callable[[Any, Any, Any], bool]
"""(validator, keyword's value, instance) -> is it so?"""

_JSON: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_UNICODE_ESCAPE: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9A-Fa-f]{4})")


class UnreadablePattern(ValueError):
    """RE2 cannot run this pattern (look-around, back-references): an argument it guards is refused."""


@lru_cache(maxsize=4096)
def pattern(source: str) -> Any:
    """An ECMA-262 pattern as RE2 runs it. Raises `UnreadablePattern`."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(_UNICODE_ESCAPE.sub(r"\1\\x{\2}", source), options)
    except re2.error:
        raise UnreadablePattern("its pattern cannot be checked in bounded time") from None


def found(source: str, text: str) -> bool:
    """Does the pattern match somewhere in the text? Raises `UnreadablePattern`, and what `spend` raises."""
    spend(1)
    return pattern(source).search(text) is not None


def _listed(values: Any) -> tuple[frozenset[str], frozenset[str], bool]:
    """The keys of these values; those a number with a point may be; whether a list or object is among them."""
    written = [one for one in values if isinstance(one, bool) or not isinstance(one, int)]
    nested = any(isinstance(one, (list, dict)) for one in values)
    return frozenset(map(_key, values)), frozenset(map(_key, written)), nested


_LISTED: Final = Made(_listed, 4_096)
"""Of each `enum`, made once: an argument can be a list of thousands that are each looked for in it."""


def _among(values: Any, instance: Any) -> bool:
    """Equal as JSON to one of these, and 5.0 or true never pass for a listed 5."""
    every, written, nested = _LISTED.of(values)
    if isinstance(instance, (list, dict)) and not nested:
        return False
    return _key(instance) in (written if isinstance(instance, float) else every)


def _key(value: Any) -> str:
    return _JSON.encode(_normal(value))


def _normal(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (list, dict)):
        spend(1 + len(value) // 8)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    return value


def _types(validator: Any, wanted: Any, instance: Any) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(validator.is_type(instance, name) for name in names)


def _const(validator: Any, wanted: Any, instance: Any) -> bool:
    if isinstance(instance, (list, dict)) is not isinstance(wanted, (list, dict)):
        return False
    if isinstance(instance, float) and isinstance(wanted, int):
        return False
    return _key(instance) == _key(wanted)


def _unique(validator: Any, wanted: Any, instance: Any) -> bool:
    if not wanted or not isinstance(instance, list):
        return True
    spend(len(instance) // 4)
    return len({_key(item) for item in instance}) == len(instance)


def fits(validator: Any, schema: Any, instance: Any) -> bool:
    """Does the instance pass this subschema?"""
    return next(validator.descend(instance, schema), None) is None


def _one_of(validator: Any, schemas: Any, instance: Any) -> bool:
    fitting = 0
    for schema in schemas:
        fitting += fits(validator, schema, instance)
        if fitting > 1:
            return False
    return fitting == 1


HOLDS: Final[Mapping[str, Holds]] = {
    "type": _types,
    "enum": lambda v, listed, i: _among(listed, i),
    "const": _const,
    "minLength": lambda v, n, i: not isinstance(i, str) or len(i) >= n,
    "maxLength": lambda v, n, i: not isinstance(i, str) or len(i) <= n,
    "pattern": lambda v, source, i: not isinstance(i, str) or found(source, i),
    "minItems": lambda v, n, i: not isinstance(i, list) or len(i) >= n,
    "maxItems": lambda v, n, i: not isinstance(i, list) or len(i) <= n,
    "minProperties": lambda v, n, i: not isinstance(i, dict) or len(i) >= n,
    "maxProperties": lambda v, n, i: not isinstance(i, dict) or len(i) <= n,
    "uniqueItems": _unique,
    "anyOf": lambda v, schemas, i: any(fits(v, each, i) for each in schemas),
    "oneOf": _one_of,
    "not": lambda v, schema, i: not fits(v, schema, i),
}
"""Keywords that say yes or no about a value."""


def predicate(holds: Holds) -> Keyword:
    """A keyword function from a yes-or-no question."""

    def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        if not holds(validator, value, instance):
            yield ValidationError("")

    return keyword


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, dict):
        for source, subschema in patterns.items():
            for name, value in instance.items():
                if found(source, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=source)


def _additional_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, dict) or rest is True:
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in named or any(found(source, name) for source in patterns):
            continue
        if rest is False:
            yield ValidationError("", path=[name])
        else:
            yield from validator.descend(value, rest, path=name)


def _contains(validator: Any, wanted: Any, instance: Any, schema: Any) -> Errors:
    if not isinstance(instance, list):
        return
    fitting = sum(fits(validator, wanted, item) for item in instance)
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(instance))
    if not least <= fitting <= most:
        yield ValidationError("")


SHAPES: Final[Mapping[str, Keyword]] = {
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "contains": _contains,
}
"""Keywords that send the parts of a value on to other schemas."""
