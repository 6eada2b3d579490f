"""The word of a schema that limits nothing: a keyword its dialect has not, a pattern nobody can run. Pure.

JSON Schema lets any member stand in a schema, and what is not a keyword limits nothing: `patern`, or an
argument's name where `properties` was forgotten. In a tool's descriptor that is the server's affair; in a bound
an operator would rely on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.core.dialect import DATA, NAMES, keywords
from gateway.core.keywords import UnreadablePattern, pattern

_ANNOTATIONS: Final = frozenset(
    {
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("then", "else", "minContains", "maxContains", "exclusiveMinimum", "exclusiveMaximum"),
        *("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$comment"),
        *("$defs", "definitions"),
    }
)  # fmt: skip
_TELLING: Final = frozenset({"format", "contentEncoding", "contentMediaType", "contentSchema"})
"""They tell what a text is, and nobody is asked whether it is that."""
_PLAIN: Final = DATA | {"dependentRequired"}
_OWN: Final = "x-"
"""What begins so is a word of the author's own, and meant to be."""


def misspelt(schema: Any) -> str:
    """The first such word, and where it is; empty if there is none."""
    return next(_faults(schema, "", (keywords(schema) | _ANNOTATIONS) - _TELLING), "")


def _faults(schema: Any, place: str, known: frozenset[str]) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for word, said in schema.items():
        here = f"{place}/{word}"
        if word in _TELLING:
            yield f"{here}: is not checked, and would limit nothing"
        elif word not in known and not word.startswith(_OWN):
            yield f"{here}: is no keyword of JSON Schema, and would limit nothing"
        elif word == "pattern" and isinstance(said, str):
            yield from _pattern(said, here)
        elif word in NAMES and isinstance(said, dict):
            for name, each in said.items():
                if word == "patternProperties":
                    yield from _pattern(name, here)
                yield from _faults(each, f"{here}/{name}", known)
        elif word not in _PLAIN:
            for each in said if isinstance(said, list) else [said]:
                yield from _faults(each, here, known)


def _pattern(source: str, place: str) -> Iterator[str]:
    try:
        pattern(source)
    except UnreadablePattern as fault:
        yield f"{place}: {fault}"
