"""JSON-RPC towards a tool server, either era, whatever the wire. Pure: values in, values out.

It knows the members the eras differ in and keeps every other one as it came. It knows nothing of
pipes, HTTP or time. Spec: 2026-07-28 basic/index (`_meta`), 2025-11-25 basic/lifecycle.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gateway import __version__
from gateway.core import settle
from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome, OutcomeKind, RpcError
from gateway.made import Made
from gateway.ports import Outbound
from gateway.sdk import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from gateway.wire import strict_json
from gateway.wire.asking import can_be_asked
from gateway.wire.shape import STATELESS
from gateway.wire.stated import stated

STATELESS_VERSION: Final = "2026-07-28"
SESSION_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Newest first: the first is offered, any may be agreed on."""

INTERNAL_ERROR: Final = -32603
EVERYTHING: Final = "debug"
"""What an agent of the sessions era hears until it sets a level: a stateless server must be told so."""
LONG: Final = 16_384
SHORT: Final = 200
"""Characters of what a server said that are looked at, and that are shown."""
_STAMPS: Final = frozenset(
    {PROTOCOL_VERSION_META_KEY, CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY}
)
_OF_ANSWERS: Final = frozenset({"jsonrpc", "result", "error"})
_OF_STATELESS: Final = _STAMPS | {LOG_LEVEL_META_KEY}

not_forwarded: Final = settle.not_forwarded

GATEWAY_INFO: Final[JsonObject] = {"name": "bulkhead", "version": __version__}
GATEWAY: Final = ClientFacts(STATELESS_VERSION, {}, GATEWAY_INFO)
"""Who asks when the gateway asks for itself (`ToolServer.fetch`)."""


def asks_in_sessions(client: ClientFacts) -> bool:
    """Whether an agent is of the sessions era and can be asked."""
    return client.protocol_version < STATELESS_VERSION and can_be_asked(client.capabilities)


def ids() -> Iterator[int]:
    """Request ids 1, 2, 3, ... Made once per tool server, not per connection: an id is never used twice."""
    return itertools.count(1)


def request(message: Outbound, id: int, era: Era, token: int | None = None) -> JsonObject:
    """The request for a server of this era. With `token`, that progress token in place of the agent's."""
    params, client = message.params, message.client
    meta = params.get("_meta")
    said = meta is client.said_in if era is STATELESS else _unstamped(meta)
    if not said or meta is None or token is not None:
        params = params_for(params, client, era, token)
    return {"jsonrpc": "2.0", "id": id, "method": message.method, "params": params}


def params_for(
    params: JsonObject, client: ClientFacts, era: Era, token: int | None = None
) -> JsonObject:
    """The params with the era's own `_meta`: stamped for stateless servers, unstamped for sessions.

    Every other member, known or not, stays as it is; the params given are not changed. A stateless
    server is told the agent's own capabilities and client info, never the gateway's.
    """
    given = params.get("_meta")
    if given is None and era is STATELESS and token is None:
        return {**params, "_meta": _TOLD.of(client)}
    meta = dict(given) if isinstance(given, dict) else {}
    for key in _STAMPS:
        meta.pop(key, None)
    if era is STATELESS:
        meta |= stamps(client)
        level = client.log_level or (EVERYTHING if _of_sessions(client) else None)
        if level is not None:
            meta.setdefault(LOG_LEVEL_META_KEY, level)
    else:
        meta.pop(LOG_LEVEL_META_KEY, None)  # a session server is told by logging/setLevel
    if token is not None:
        meta["progressToken"] = token
    rest = {name: value for name, value in params.items() if name != "_meta"}
    # An empty `_meta` the agent sent is still what it sent.
    return {**rest, "_meta": meta} if meta or given == {} else rest


def _told(client: ClientFacts) -> JsonObject:
    meta: JsonObject = params_for({"_meta": {}}, client, STATELESS)["_meta"]
    return meta


_TOLD: Final = Made(_told, 256)
"""What a stateless server is told with a call that says nothing of itself: it follows from its client."""


def _unstamped(meta: Any) -> bool:
    """Whether it holds nothing that a session server is told otherwise."""
    return type(meta) is dict and _OF_STATELESS.isdisjoint(meta)


def _of_sessions(client: ClientFacts) -> bool:
    return client.protocol_version in SESSION_VERSIONS


def stamps(client: ClientFacts) -> JsonObject:
    """The `_meta` members every stateless request carries: the version we speak, the agent's words."""
    stamped: JsonObject = {
        PROTOCOL_VERSION_META_KEY: STATELESS_VERSION,
        CLIENT_CAPABILITIES_META_KEY: client.capabilities,
    }
    if client.info is not None:
        stamped[CLIENT_INFO_META_KEY] = client.info
    return stamped


def progress_token(params: JsonObject) -> str | int | None:
    """The agent's progress token, if it asked for progress."""
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    return token if type(token) in (str, int) else None


def number(theirs: object) -> int | None:
    """Which of our ids or tokens a server means; None if none. They are numbers, and some servers write
    a number as text, or with a point, when they send it back: both SDKs' clients take it, and so do we.
    """
    if type(theirs) is int:
        return theirs
    if isinstance(theirs, str) and theirs.isascii() and theirs.isdigit() and len(theirs) < 19:
        return int(theirs)
    return int(theirs) if isinstance(theirs, float) and not theirs % 1 else None


def notification(method: str, params: JsonObject | None = None) -> JsonObject:
    """A message no answer is expected to."""
    body: JsonObject = {"jsonrpc": "2.0", "method": method}
    return body if params is None else {**body, "params": params}


def cancelled(id: int, reason: str) -> JsonObject:
    """Tells the server that nobody waits for request `id` any more."""
    return notification("notifications/cancelled", {"requestId": id, "reason": reason})


def initialize(id: int, client: ClientFacts) -> JsonObject:
    """The first message of a session; offers the newest version of that era.

    A stateless agent cannot say that its roots changed, so no server is told that it would hear of it: it would not ask
    again. Nor is one told of what is null: it may refuse it."""
    capabilities, info = stated([client.capabilities, client.info or GATEWAY_INFO])
    roots = capabilities.get("roots")
    if isinstance(roots, dict) and "listChanged" in roots and not _of_sessions(client):
        rest = {name: value for name, value in roots.items() if name != "listChanged"}
        capabilities = {**capabilities, "roots": rest}
    params = {
        "protocolVersion": SESSION_VERSIONS[0],
        "capabilities": capabilities,
        "clientInfo": info,
    }
    return {"jsonrpc": "2.0", "id": id, "method": "initialize", "params": params}


def agreed_version(result: JsonObject) -> str | None:
    """The version a session server answered `initialize` with; None if it is none we speak."""
    version = result.get("protocolVersion")
    return version if version in SESSION_VERSIONS else None


def discover(id: int) -> JsonObject:
    """The era probe, and the catalogue's first question to a stateless server."""
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": "server/discover",
        "params": {"_meta": stamps(GATEWAY)},
    }


def speaks_stateless(discovered: JsonObject) -> bool:
    """Whether a `server/discover` result offers our version. Some session servers answer, and do not."""
    versions = discovered.get("supportedVersions")
    return isinstance(versions, list) and STATELESS_VERSION in versions


def line(message: JsonObject) -> bytes:
    """A message as a server over stdio reads it."""
    return strict_json.dumps(message) + b"\n"


def messages(line: bytes) -> Sequence[JsonObject]:
    """Those of one line: one, none, or a batch. Raises `strict_json.Unreadable`."""
    heard = strict_json.parse_answer(line, len(line)) if line.strip() else None
    if isinstance(heard, dict):
        return (heard,)
    return [one for one in heard if isinstance(one, dict)] if isinstance(heard, list) else ()


def answered(message: JsonObject) -> int | None:
    """Which of our requests it answers; None if none: some servers log there as objects, with ids of other things."""
    return None if _OF_ANSWERS.isdisjoint(message) else number(message.get("id"))


def outcome(
    answer: JsonObject, server: str, carried: bool = False, rounded: bool = False
) -> Outcome:
    """What a JSON-RPC response says was done, verbatim. One that is no response leaves us in doubt.

    A null beside the other is none, as in JSON-RPC 1.0 and as typed languages write it: it has no other reading."""
    result, error = answer.get("result"), answer.get("error")
    if error is None and isinstance(result, dict):
        failed = result.get("isError") is True
        kind: OutcomeKind = "tool_error" if failed else "ok"
        return Outcome(kind, result, carried=carried, rounded=rounded)
    if result is None and (said_no := rpc_error(error)) is not None:
        return Outcome("rejected", error=said_no)
    return in_doubt(server, "it answered with something that is not a JSON-RPC response")


def rpc_error(raw: Any) -> RpcError | None:
    """A JSON-RPC error object; None if it is not one. A code written with a point is a number like any other: both
    SDKs' clients take it."""
    if not isinstance(raw, dict):
        return None
    code, message = raw.get("code"), raw.get("message")
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or not isinstance(message, str):
        return None
    more = {name: raw[name] for name in raw.keys() - {"code", "message", "data"}}
    return RpcError(code, message, raw.get("data"), "data" in raw, more or None)


def said(outcome: Outcome, credential: Credential | None) -> str:
    """What a server said in place of a result, for people. Its credential goes before the rest is cut off: of one
    that is cut itself the half would not be found."""
    text = (outcome.error.message if outcome.error else outcome.detail)[:LONG]
    return (credential.hide(text) if credential is not None else text)[:SHORT]


def in_doubt(server: str, why: str) -> Outcome:
    """Forwarded, and what came of it is not known."""
    return Outcome("in_doubt", detail=f"tool server {server}: {why}")
