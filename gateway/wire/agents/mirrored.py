"""Headers that mirror the body (MCP 2026-07-28, Streamable HTTP): held against it, never believed.

The SDK's validators do the comparing. Added here: the tasks extension's names, a Mcp-Name that comes
with a method it does not belong to, and which `Mcp-Param-*` headers are nobody's business but the server's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from gateway.core.frame import META, Frame
from gateway.core.model import ClientFacts, Endpoint, JsonObject, RpcError
from gateway.core.resolve import Table
from gateway.errors import Refused
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
from gateway.wire import loglevels, strict_json
from gateway.wire.agents.admitted import PARAM_PREFIX, Admitted, Agreed
from gateway.wire.agents.exchange import Head, Header
from gateway.wire.agents.hello import MAX_CLIENT, facts_of
from gateway.wire.agents.messages import Call
from gateway.wire.methods import NAMED

KEPT: Final = 1024
"""Bytes of an envelope, at most, that is kept with its head."""


class Mismatch(Exception):
    """The envelope or a header does not hold: `error` says so to the agent."""

    def __init__(self, error: RpcError) -> None:
        super().__init__(error.message)
        self.error = error


class ParamMismatch(Mismatch):
    """The same of a header that repeats an argument."""


def agreed(call: Call, head: Admitted, table: Table) -> Agreed:
    """The envelope of a stateless request and its headers, which agree. Raises `Mismatch`, `ParamMismatch`.

    Clients say the same envelope again and again. Where it says word for word what its head says, and no argument
    has a say, the conclusion holds for the very same words behind that head, in one version of the catalogue.
    """
    params = call.params
    said = strict_json.encode((call.method, params.get(head.member or ""), params.get("_meta")))
    last = head.last.agreed
    if last is not None and last.said == said and last.version == table.version:
        return last
    facts = client_facts(call, head)
    schema = _advertised(call, head.endpoint, table)
    extra = param_headers(call, head.params, schema)
    found = Agreed(said, table.version, params["_meta"], facts, extra)
    if len(said) <= KEPT and _says_the_same(call, head) and not _declares(schema):
        head.last.agreed = found = replace(found, frame=_frame(call))
    return found


def _frame(call: Call) -> Frame | None:
    is_plain = call.method == "tools/call" and META.issuperset(call.params["_meta"])
    return Frame() if is_plain else None


def _advertised(call: Call, endpoint: Endpoint, table: Table) -> JsonObject | None:
    """The input schema an endpoint advertises for the tool that is called."""
    name = call.params.get("name")
    if call.method != "tools/call" or not isinstance(name, str):
        return None
    try:
        entry = table.shelf(endpoint).tools.get(name)
    except Refused:
        return None
    schema = entry.descriptor.get("inputSchema") if entry else None
    return schema if isinstance(schema, dict) else None


def client_facts(call: Call, head: Admitted | None) -> ClientFacts:
    """The envelope of a stateless request, its headers agreeing with it. Raises `Mismatch`.

    Without a head (stdio) there are no headers to agree.
    """
    if head is not None and _says_the_same(call, head):
        meta = call.params["_meta"]
        capabilities, info = meta[CLIENT_CAPABILITIES_META_KEY], meta.get(CLIENT_INFO_META_KEY)
        facts = facts_of(LATEST_MODERN_VERSION, capabilities, info, head.head.length)
    else:
        facts = _in_full(call, head)
    if not isinstance(facts, ClientFacts):
        raise Mismatch(facts)
    meta = call.params.get("_meta")
    if not isinstance(meta, dict):
        return facts
    if LOG_LEVEL_META_KEY in meta:
        facts = replace(facts, log_level=loglevels.requested(call.params))
    return replace(facts, said_in=meta) if _is_short(head) and _is_whole(meta, facts) else facts


def _is_short(head: Admitted | None) -> bool:
    """Is the whole request no longer than a client's facts may be? They are kept after it (http_sessions.py), and what
    else an agent puts beside them would be kept, too: as much as a body may hold."""
    return head is None or (head.head.length is not None and head.head.length <= MAX_CLIENT)


def _is_whole(meta: JsonObject, facts: ClientFacts) -> bool:
    """Does it hold, to the letter, all that a server is to be told? A null in place of `clientInfo` is not."""
    return (
        meta.get(PROTOCOL_VERSION_META_KEY) == facts.protocol_version == LATEST_MODERN_VERSION
        and meta.get(CLIENT_CAPABILITIES_META_KEY) is facts.capabilities
        and meta.get(CLIENT_INFO_META_KEY) is facts.info
        and (facts.info is not None or CLIENT_INFO_META_KEY not in meta)
    )


def _says_the_same(call: Call, head: Admitted) -> bool:
    """Does it say everything, and in headers and body the same? If not, it is asked in full."""
    meta = call.params.get("_meta")
    return (
        head.plain
        and isinstance(meta, dict)
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
    declared = _declares(schema)
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


def _declares(schema: JsonObject | None) -> frozenset[str]:
    return frozenset() if schema is None else _DECLARED.of(schema)


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
