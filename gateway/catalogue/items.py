"""One descriptor of a tool server: is it fit to be shown to anybody, and which one is it?

A descriptor that is not fit is kept back alone; the rest of its list is served. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from gateway.catalogue.canonical import canonical, digest_of
from gateway.catalogue.names import name_fault
from gateway.core.dialect import SchemaFault, build
from gateway.core.model import JsonObject
from gateway.core.resolve import KINDS, ListKind
from gateway.core.validate import compile_prompt, compile_schema
from gateway.sdk import inbound, uri_template
from gateway.values import Value

MAX_DESCRIPTOR: Final = 256 * 1024
"""Bytes of one canonical descriptor."""
MAX_URI: Final = 8192
_PATH: Final = re.compile(r"\{([A-Za-z0-9_.]+)\*\}")
_QUERY: Final = re.compile(r"\{[?&][^{}]*\}")


class Item(Value):
    """One listed descriptor, looked at once."""

    name: str
    """Native name, URI or URI template; empty when it has none."""
    raw: Any
    digest: str
    """Empty when it has a fault that leaves nothing to digest."""
    size: int
    """Canonical bytes."""
    fault: str | None
    """Why nobody is shown it; None when it may be."""


def examine(kind: ListKind, raw: Any) -> Item:
    """The item with its name, its digest, and its fault if it has one."""
    name = raw.get(KINDS[kind].member) if isinstance(raw, dict) else None
    label = name if isinstance(name, str) else ""
    try:
        data = canonical(raw)
    except ValueError as error:
        # Not kept: nobody can measure it.
        return Item(label[:MAX_URI], None, "", 0, str(error))
    mark = digest_of(data)
    if len(data) > MAX_DESCRIPTOR:
        return Item(label, raw, mark, len(data), f"larger than {MAX_DESCRIPTOR} bytes")
    return Item(label, raw, mark, len(data), _known_fault(kind, mark, _Held(raw)))


class _Held:
    """Carries a descriptor past the cache, once: the digest beside it is the key, and all that is kept."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=65_536)
def _known_fault(kind: ListKind, mark: str, held: _Held) -> str | None:
    raw, held.raw = held.raw, None
    return fault(kind, raw)


def fault(kind: ListKind, raw: Any) -> str | None:
    """Why a descriptor cannot be served, however much an operator likes it; None if it can."""
    if not isinstance(raw, dict):
        return "is not an object"
    try:
        match kind:
            case "tool":
                return name_fault(raw.get("name")) or _tool_fault(raw)
            case "prompt":
                compile_prompt(raw)
                return name_fault(raw.get("name"))
            case _:
                return _uri_fault(raw.get(KINDS[kind].member))
    except SchemaFault as error:
        return str(error)


def _tool_fault(raw: JsonObject) -> str | None:
    compile_schema(raw)
    if raw.get("outputSchema") is not None:
        try:
            build(raw["outputSchema"])
        except SchemaFault as error:
            return f"outputSchema: {error}"
    return inbound.find_invalid_x_mcp_header(raw["inputSchema"])


def _uri_fault(uri: object) -> str | None:
    if not isinstance(uri, str) or not uri:
        return "has no URI"
    if len(uri) > MAX_URI:
        return f"its URI is longer than {MAX_URI} characters"
    if any(ord(char) <= 0x20 or ord(char) == 0x7F for char in uri):
        return "its URI has white space or control characters"
    return None


def matcher(template: str) -> uri_template.UriTemplate | None:
    """What decides whether a URI belongs to a template; None for one that cannot be matched.

    Such a template is listed and completed; what it leads to must be listed to be read. `{path*}` is
    taken for a whole path, and `{?tags*}` for a member of the query, as FastMCP means them. This only
    finds the server: what it leads to is decided by its own URI.
    """
    query_meant = _QUERY.sub(lambda found: found[0].replace("*", ""), template)
    try:
        return uri_template.UriTemplate.parse(_PATH.sub(r"{+\1}", query_meant))
    except uri_template.InvalidUriTemplate:
        return None
