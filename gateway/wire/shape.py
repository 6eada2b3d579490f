"""Result shapes between the eras: what 2026-07-28 requires and earlier revisions do not know. Pure.

Nothing else of a result is touched. Where nothing has to change, the same object comes back.
Source: MCP 2026-07-28, basic/index (resultType) and server/utilities/caching (ttlMs, cacheScope).
"""

from __future__ import annotations

from typing import Final

from gateway.core.model import Era, JsonObject, RpcError
from gateway.core.settle import INVALID_PARAMS
from gateway.sdk import SERVER_INFO_META_KEY
from gateway.values import replace

STATELESS: Final = Era.STATELESS
SESSIONS: Final = Era.SESSIONS
"""Asked for with every call: as members of their enum they are looked for anew each time."""
CACHEABLE: Final = frozenset(
    {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
)
"""Methods whose complete results must say how long and for whom they hold."""

_STATELESS_ONLY: Final = frozenset({"resultType", "ttlMs", "cacheScope"})
_RESOURCE_NOT_FOUND: Final = -32002


def result_for(era: Era, method: str, result: JsonObject) -> JsonObject:
    """The result of `method` as an agent of that era must see it.

    The stateless era adds resultType, and to complete cacheable results "stale at once, for this caller only", where
    absent.
    """
    if era is not STATELESS:
        return for_sessions(result)
    missing: JsonObject = {}
    if "resultType" not in result:
        missing["resultType"] = "complete"
    if method in CACHEABLE and result.get("resultType", "complete") == "complete":
        if "ttlMs" not in result:
            missing["ttlMs"] = 0
        if "cacheScope" not in result:
            missing["cacheScope"] = "private"
    return {**result, **missing} if missing else result


def for_sessions(result: JsonObject) -> JsonObject:
    """Takes resultType, ttlMs and cacheScope from a complete result of a stateless server, and who it is:
    a session was told at its start, of what was approved, and need not carry icons with every result.

    A result without resultType comes from an older server: members of these names are its own. One
    that is not complete (input_required, task) means nothing to these agents whatever is stripped;
    turning it into something they know is the bridge's work, so it is left whole.
    """
    if result.get("resultType") != "complete":
        return result
    kept = {name: value for name, value in result.items() if name not in _STATELESS_ONLY}
    meta = result.get("_meta")
    if isinstance(meta, dict) and SERVER_INFO_META_KEY in meta:
        kept["_meta"] = {name: each for name, each in meta.items() if name != SERVER_INFO_META_KEY}
        if not kept["_meta"]:
            del kept["_meta"]
    return kept


def error_for(era: Era, method: str, params: JsonObject, error: RpcError) -> RpcError:
    """The error as an agent of that era must see it: verbatim, but for one code.

    2026-07-28 forbids -32002 (resource not found) and says -32602 with the URI in `data` instead.
    Agents of earlier revisions accept both, so towards them nothing changes.
    """
    if era is not STATELESS or error.code != _RESOURCE_NOT_FOUND or method != "resources/read":
        return error
    if error.has_data:
        return replace(error, code=INVALID_PARAMS)
    return RpcError(INVALID_PARAMS, error.message, {"uri": params.get("uri")}, has_data=True)
