"""The tests a fragment is made of, one function each: (what the rule says, the value, the caller's facts) -> truth.

True, false, or None for a value the test was not made for: the wrong type, a number that is no number,
text no path or URL could be. Who asks decides what a doubt means; here nothing is ever guessed.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.config import destinations
from gateway.core.linear import compiled
from gateway.made import Made
from gateway.policy import patterns

Truth = bool | None
Facts = Mapping[str, str]
"""What is known of the caller besides the arguments: agent, tenant, intent, task, on_behalf_of."""


def every(truths: Iterable[Truth]) -> Truth:
    """Kleene's and: false if one is false, else unknown if one is unknown, else true."""
    answer: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            answer = None
    return answer


def json_type(value: Any) -> str:
    """The JSON type of a parsed value; a boolean is no number, and 1.0 is a number like 1."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "null"


def same(a: Any, b: Any) -> bool:
    """Equal as JSON values: by type first, so that `true` is not 1, all the way down."""
    if json_type(a) != json_type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)


def _type(wanted: str, value: Any, _: Facts) -> Truth:
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    found = json_type(value)
    if wanted == "integer":
        return True if found == "number" and is_whole else None
    return True if found == wanted else None


class _Listed(NamedTuple):
    """What is on a list, made once: an argument can have thousands of items that are each looked for on it."""

    types: frozenset[str]
    scalars: frozenset[tuple[str, Any]]
    """Each with its type, so that `true` is not 1."""
    nested: tuple[Any, ...]


def _listed(wanted: tuple[Any, ...]) -> _Listed:
    nested = tuple(one for one in wanted if isinstance(one, (list, dict)))
    scalars = [(json_type(one), one) for one in wanted if not isinstance(one, (list, dict))]
    return _Listed(frozenset(map(json_type, wanted)), frozenset(scalars), nested)


_LISTED: Final = Made(_listed, 4_096)


def _enum(wanted: tuple[Any, ...], value: Any, _: Facts) -> Truth:
    """Unknown, not false, if nothing of that type is on the list: "1" neither is 1 nor surely is not."""
    listed, kind = _LISTED.of(wanted), json_type(value)
    if kind not in listed.types:
        return None
    if isinstance(value, (list, dict)):
        return any(same(item, value) for item in listed.nested)
    return (kind, value) in listed.scalars


def _pattern(pattern: str, value: Any, _: Facts) -> Truth:
    if not isinstance(value, str):
        return None
    return compiled(pattern).search(value) is not None


def _is_number(value: Any) -> bool:
    return json_type(value) == "number" and (isinstance(value, int) or math.isfinite(value))


def path_parts(text: str) -> tuple[str, ...] | None:
    """The steps of an absolute POSIX path; None if it could mean more than it says."""
    if not text.startswith("/") or "\\" in text or not text.isprintable():
        return None
    if unicodedata.normalize("NFC", text) != text:
        return None
    parts = tuple(part for part in text.split("/") if part)
    return None if {".", ".."} & set(parts) else parts


def _path_within(roots: tuple[str, ...], value: Any, _: Facts) -> Truth:
    parts = path_parts(value) if isinstance(value, str) else None
    if parts is None:
        return None
    return any(parts[: len(root)] == root for root in map(path_parts, roots) if root is not None)


def _host_in(allowed: tuple[str, ...], value: Any, _: Facts) -> Truth:
    host = destinations.host_of(value) if isinstance(value, str) else None
    if host is None:
        return None
    return any(patterns.hosts(text).matches(host) for text in allowed)


TESTS: Final[Mapping[str, Callable[[Any, Any, Facts], Truth]]] = {
    "type": _type,
    "const": lambda one, v, _: same(one, v) if json_type(one) == json_type(v) else None,
    "enum": _enum,
    "pattern": _pattern,
    "min_length": lambda least, v, _: len(v) >= least if isinstance(v, str) else None,
    "max_length": lambda most, v, _: len(v) <= most if isinstance(v, str) else None,
    "minimum": lambda least, v, _: v >= least if _is_number(v) else None,
    "maximum": lambda most, v, _: v <= most if _is_number(v) else None,
    "max_items": lambda most, v, _: len(v) <= most if isinstance(v, list) else None,
    "path_within": _path_within,
    "host_in": _host_in,
    "equals": lambda fact, v, facts: (
        v == facts[fact] if isinstance(v, str) and facts.get(fact) else None
    ),
}
"""Field of a fragment -> its test. `items` is the fragment's own (it needs fragments)."""
