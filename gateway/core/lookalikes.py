"""Params have one reading for every server: no two members of them look alike.

Readers that take members whatever their case (Go, C#) would find another call in `Name` than the one decided
on in `name`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.core.model import JsonObject, Request
from gateway.errors import Refused
from gateway.reasons import Reason


def _folded(names: Iterable[str]) -> Mapping[str, str]:
    return {name.casefold(): name for name in names}


_MEMBERS: Final = _folded(
    {
        "_meta",
        "argument",
        "arguments",
        "context",
        "cursor",
        "inputResponses",
        "name",
        "ref",
        "requestState",
        "task",
        "taskId",
        "type",
        "uri",
    }
)
"""Members servers read in the params of `KNOWN` methods, or in the `ref` of a completion."""
_META: Final = _folded({"progressToken"})
_META_ALONE: Final = _folded({"_meta"})
_USUAL: Final = frozenset({"name", "arguments", "_meta", "uri"})
_USUAL_META: Final = frozenset(
    {
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/clientCapabilities",
        "io.modelcontextprotocol/logLevel",
        "progressToken",
        "traceparent",
        "tracestate",
        "bulkhead/warrant",
    }
)
"""What most calls have and no more: exactly these, none of which looks like another."""
KNOWN: Final = frozenset(
    {
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        "tasks/get",
        "tasks/update",
        "tasks/result",
        "tasks/cancel",
    }
)
"""Methods whose params the gateway reads."""


def refuse_look_alikes(request: Request) -> None:
    """A vendor method's own members are its own; no two of them may look alike. Raises `Refused`."""
    params = request.params
    meta = params.get("_meta")
    if _USUAL.issuperset(params) and (type(meta) is not dict or _USUAL_META.issuperset(meta)):
        return
    known, ref = request.method in KNOWN, params.get("ref")
    _one_reading(params, _MEMBERS if known else _META_ALONE)
    if isinstance(meta, dict):
        _one_reading(meta, _META)
    if known and isinstance(ref, dict):
        _one_reading(ref, _MEMBERS)


def _one_reading(members: JsonObject, read: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name in members:
        folded = name.casefold()
        if read.get(folded, name) != name or seen.setdefault(folded, name) != name:
            raise Refused(Reason.MALFORMED, "two members of params differ only by case")
