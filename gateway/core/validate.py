"""Step 8: are these arguments what the approved descriptor asks for? No coercion, no unknown members.

The tool server sees exactly the value the policy saw, or nothing: "5", 5.0 and true are not an integer,
a member the schema does not know (closed.py holds the rule) is refused, and a check that cannot be
made within bounds is a no. Messages name places and expectations, never values. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from referencing.exceptions import Unresolvable

from gateway.core.bounded import TooManySteps, limited
from gateway.core.closed import Closed
from gateway.core.dialect import SchemaFault, build, count
from gateway.core.keywords import UnreadablePattern
from gateway.core.model import Entry, JsonObject, Resolved
from gateway.core.quick import Yes, compile_quick, never
from gateway.made import Made
from gateway.values import Value

__all__ = [
    "ArgumentCheck",
    "Check",
    "SchemaFault",
    "check_call",
    "compile_bound",
    "compile_prompt",
    "compile_schema",
]

Check = Callable[[Resolved], str | None]
"""What is wrong with a call's arguments under its pinned, closed schema; None if nothing is."""

MAX_ARGUMENTS: Final = 50_000
"""Values in one call's arguments, counted at every depth."""
MAX_STEPS: Final = 250_000
"""Keywords asked of them, at most, each with a subschema, whatever their schema: a second or two, in which nobody else
is served."""
UNBOUNDED: Final = "arguments: cannot be checked against the schema in bounded time"
_EXPECTED: Final = {
    "enum": "is not one of the allowed values",
    "const": "is not the one allowed value",
    "pattern": "does not match its pattern",
    "minLength": "is too short",
    "maxLength": "is too long",
    "minItems": "has too few items",
    "maxItems": "has too many items",
    "uniqueItems": "has the same item twice",
    "minimum": "is too small",
    "exclusiveMinimum": "is too small",
    "maximum": "is too large",
    "exclusiveMaximum": "is too large",
    "anyOf": "fits none of the allowed forms",
    "oneOf": "fits none, or more than one, of the allowed forms",
    "additionalProperties": "is not known",
    "unevaluatedProperties": "has a member that is not known",
}


class ArgumentCheck(Value):
    """What one approved descriptor asks of a call's arguments, compiled once."""

    _ask: Callable[[JsonObject], str | None]
    _quick: Yes = never

    def check(self, arguments: JsonObject) -> str | None:
        """The first thing that is wrong, in words; None when nothing is."""
        if self._quick(arguments):
            return None
        nodes = count(arguments, MAX_ARGUMENTS)
        if nodes > MAX_ARGUMENTS:
            return f"arguments: more than {MAX_ARGUMENTS} values"
        try:
            with limited(min(20_000 + 50 * nodes, MAX_STEPS)):
                return self._ask(arguments)
        except UnreadablePattern as error:
            return f"arguments: {error}"
        except (TooManySteps, RecursionError, Unresolvable):
            return UNBOUNDED
        except BaseException as error:
            # What a library in Rust makes of a recursion that goes too deep; and it is no `Exception`.
            if type(error).__name__ != "PanicException":
                raise
            return UNBOUNDED


def compile_schema(descriptor: JsonObject) -> ArgumentCheck:
    """The check of a tool's descriptor. Raises `SchemaFault` when its `inputSchema` cannot be used."""
    schema = descriptor.get("inputSchema")
    if not isinstance(schema, dict):
        raise SchemaFault("inputSchema is not an object")
    if schema.get("type", "object") != "object":
        raise SchemaFault("inputSchema is not of type object")
    validator, closed, mirrored = build(schema), Closed(schema), _mirrored(schema)

    def ask(arguments: JsonObject) -> str | None:
        arguments = {k: v for k, v in arguments.items() if v is not None or k not in mirrored}
        problem = next(validator.iter_errors(arguments), None)
        if problem is not None:
            return f"{_place(list(problem.absolute_path))}: {_expectation(problem)}"
        unknown = closed.unknown_member(arguments)
        return None if unknown is None else f"{_place(unknown)}: is not known"

    return ArgumentCheck(ask, compile_quick(schema))


def compile_bound(bound: JsonObject) -> ArgumentCheck:
    """The check of a grant's bound: a schema that leaves alone what it does not name. Raises `SchemaFault`."""
    return compile_schema({"inputSchema": {"additionalProperties": True, **bound}})


def _mirrored(schema: JsonObject) -> frozenset[str]:
    """The optional arguments that are mirrored into headers.

    For these, and no others, the protocol takes null for "left out" (2026-07-28, `x-mcp-header`). The
    policy and the server still see the null.
    """
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return frozenset()
    must = required if isinstance(required, list) else []
    return frozenset(
        name
        for name, one in properties.items()
        if isinstance(one, dict) and "x-mcp-header" in one and name not in must
    )


def compile_prompt(descriptor: JsonObject) -> ArgumentCheck:
    """The check of a prompt's descriptor: strings, the required ones there, no others.

    Raises `SchemaFault` when its `arguments` cannot be used.
    """
    listed = descriptor.get("arguments") or []
    if not isinstance(listed, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) for each in listed
    ):
        raise SchemaFault("arguments is not a list of named arguments")
    required = {each["name"]: each.get("required") is True for each in listed}
    if len(required) != len(listed):
        raise SchemaFault("an argument is listed twice")

    def ask(arguments: JsonObject) -> str | None:
        for name, value in arguments.items():
            if name not in required:
                return f"{_place([name])}: is not known"
            if not isinstance(value, str):
                return f"{_place([name])}: must be a string"
        missing = next((n for n, must in required.items() if must and n not in arguments), None)
        return None if missing is None else f"arguments: {_spelt(missing)} is required"

    return ArgumentCheck(ask)


def check_call(resolved: Resolved) -> str | None:
    """What is wrong with a call's arguments under its approved descriptor; None when nothing is.

    Only `tools/call` and `prompts/get` have arguments; each descriptor is compiled once.
    """
    entry, method = resolved.entry, resolved.request.method
    if entry is None or method not in ("tools/call", "prompts/get"):
        return None
    arguments = resolved.params.get("arguments", {})
    if not isinstance(arguments, dict):
        return "arguments: must be an object"
    try:
        return _CHECKS.of(entry).check(arguments)
    except SchemaFault as error:
        return f"arguments: the schema cannot be used: {error}"


class _ByDigest:
    """An entry that is the same key as any other with its kind and digest."""

    __slots__ = ("entry", "key")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.key = (entry.target.kind, entry.digest)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and self.key == other.key


@lru_cache(maxsize=8192)
def _compiled(approved: _ByDigest) -> ArgumentCheck:
    make = compile_prompt if approved.entry.target.kind == "prompt" else compile_schema
    return make(approved.entry.descriptor)


_CHECKS: Final[Made[Entry, ArgumentCheck]] = Made(lambda entry: _compiled(_ByDigest(entry)), 8192)
"""By the entry itself: a new table has new ones, with the same digests."""


def _expectation(problem: Any) -> str:
    keyword, wanted = problem.validator, problem.validator_value
    if keyword == "type":
        return f"must be of type {' or '.join([wanted] if isinstance(wanted, str) else wanted)}"
    if keyword == "required":
        missing = next((n for n in wanted if n not in problem.instance), "")
        return f"{_spelt(missing)} is required"
    return _EXPECTED.get(str(keyword), f"does not satisfy {keyword}")


def _place(path: list[str | int]) -> str:
    return "/".join(["arguments", *(_spelt(part) for part in path)])


def _spelt(part: str | int) -> str:
    """A member's name on one short line of visible characters."""
    text = str(part).encode("unicode_escape").decode("ascii")
    return text if len(text) <= 64 else f"{text[:61]}..."
