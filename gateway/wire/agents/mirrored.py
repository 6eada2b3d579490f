"""Headers that mirror the body (MCP 2026-07-28, Streamable HTTP): held against it, never believed.

The SDK's validators do the comparing. Added here: the tasks extension's names, a Mcp-Name that comes
with a method it does not belong to, and which `Mcp-Param-*` headers are nobody's business but the server's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.model import ClientFacts, JsonObject, RpcError
from gateway.made import Made
from gateway.sdk import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    LATEST_MODERN_VERSION,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    inbound,
)
from gateway.values import replace
from gateway.wire import loglevels
from gateway.wire.agents.admitted import PARAM_PREFIX, Admitted
from gateway.wire.agents.exchange import Head, Header
from gateway.wire.agents.hello import facts_of
from gateway.wire.agents.messages import Call
from gateway.wire.methods import NAMED


class Mismatch(Exception):
    """The envelope or a header does not hold: `error` says so to the agent."""

    def __init__(self, error: RpcError) -> None:
        super().__init__(error.message)
        self.error = error


class ParamMismatch(Mismatch):
    """The same of a header that repeats an argument."""


def client_facts(call: Call, head: Admitted | None) -> ClientFacts:
    """The envelope of a stateless request, its headers agreeing with it. Raises `Mismatch`.

    Without a head (stdio) there are no headers to agree.
    """
    meta = call.params.get("_meta")
    if head is not None and isinstance(meta, dict) and _says_the_same(call, meta, head):
        capabilities, info = meta[CLIENT_CAPABILITIES_META_KEY], meta.get(CLIENT_INFO_META_KEY)
        facts = facts_of(LATEST_MODERN_VERSION, capabilities, info, head.head.length)
    else:
        facts = _in_full(call, head)
    if not isinstance(facts, ClientFacts):
        raise Mismatch(facts)
    if isinstance(meta, dict) and LOG_LEVEL_META_KEY in meta:
        return replace(facts, log_level=loglevels.requested(call.params))
    return facts


def _says_the_same(call: Call, meta: JsonObject, head: Admitted) -> bool:
    """Does it say everything, and in headers and body the same? If not, it is asked in full."""
    return (
        head.plain
        and head.method == call.method
        and (head.member is None or head.name == call.params.get(head.member))
        and meta.get(PROTOCOL_VERSION_META_KEY) == LATEST_MODERN_VERSION
        and CLIENT_CAPABILITIES_META_KEY in meta
    )


def _in_full(call: Call, head: Admitted | None) -> ClientFacts | RpcError:
    body = {"method": call.method, "params": call.params}
    headers = None if head is None else head.head.last
    verdict = inbound.classify_inbound_request(body, headers=headers)
    if isinstance(verdict, inbound.InboundLadderRejection):
        raise _mismatch(verdict)
    if head is not None:
        _check_name(call, head.head)
    return facts_of(verdict.protocol_version, verdict.client_capabilities, verdict.client_info)


def _check_name(call: Call, head: Head) -> None:
    member = NAMED.get(call.method)
    if member is None:
        return
    header, value = head.get(inbound.MCP_NAME_HEADER), call.params.get(member)
    if (header is None) is not (value is None) or inbound.decode_header_value(header) != value:
        message = f"{inbound.MCP_NAME_HEADER} header does not match the request body's {member!r} parameter"
        raise Mismatch(RpcError(HEADER_MISMATCH, message))


def param_headers(
    call: Call, sent: tuple[Header, ...], schema: JsonObject | None
) -> tuple[Header, ...]:
    """Of the `Mcp-Param-*` headers those the advertised schema does not declare, as they came.

    Raises `ParamMismatch`.
    Those it declares must say what the arguments say, and be there once.
    """
    declared = None if schema is None else _DECLARED.of(schema)
    if schema is None or not declared:
        return sent
    counts = Counter(name for name, _ in sent)
    twice = next((name for name in counts if counts[name] > 1 and name in declared), None)
    if twice is not None:
        raise ParamMismatch(RpcError(HEADER_MISMATCH, f"{twice} header appears more than once"))
    rejection = inbound.validate_mcp_param_headers(schema, _arguments(call), dict(sent))
    if rejection is not None:
        raise ParamMismatch(_mismatch(rejection).error)
    return tuple(header for header in sent if header[0] not in declared)


def _declared(schema: JsonObject) -> frozenset[str]:
    """The headers a schema declares, lower case; none if what it declares is invalid."""
    if inbound.find_invalid_x_mcp_header(schema) is not None:
        return frozenset()
    tokens = inbound.x_mcp_header_map(schema).values()
    return frozenset(f"{PARAM_PREFIX}{token.lower()}" for token in tokens)


_DECLARED: Final = Made(_declared, 4_096)


def _arguments(call: Call) -> Mapping[str, Any]:
    arguments = call.params.get("arguments")
    return arguments if isinstance(arguments, dict) else {}


def _mismatch(rejection: inbound.InboundLadderRejection) -> Mismatch:
    has_data = rejection.data is not None
    return Mismatch(RpcError(rejection.code, rejection.message, rejection.data, has_data))
