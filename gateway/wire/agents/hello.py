"""What the wire says of an endpoint: the answers to `initialize` and `server/discover`, from `About`. Pure."""

from __future__ import annotations

from typing import Final

from gateway.core.model import ClientFacts, JsonObject, RpcError
from gateway.core.settle import INVALID_PARAMS
from gateway.ports import About
from gateway.sdk import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    LATEST_HANDSHAKE_VERSION,
    MODERN_PROTOCOL_VERSIONS,
    SERVER_INFO_META_KEY,
)
from gateway.wire import strict_json
from gateway.wire.stated import stated

MAX_CLIENT: Final = 64 * 1024
"""Bytes of a client's capabilities and info, as JSON."""
MOST_LONGER: Final = 8
"""Times as long as it came, at most, something is when it is written again: `1e5` is `100000.0`."""
REMOVED: Final = frozenset(
    {
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    }
)
"""Methods the stateless era took away: unknown there, whatever stands behind."""


def discovered(about: About) -> JsonObject:
    """`server/discover`: made for this caller, so private, and stale at once."""
    result: JsonObject = {
        "resultType": "complete",
        "supportedVersions": list(MODERN_PROTOCOL_VERSIONS),
        "capabilities": about.capabilities,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {SERVER_INFO_META_KEY: about.server_info},
    }
    return _with_instructions(result, about)


def initialized(about: About, client: ClientFacts) -> JsonObject:
    """`initialize`, at the version `client_of` settled on."""
    result: JsonObject = {
        "protocolVersion": client.protocol_version,
        "capabilities": about.capabilities,
        "serverInfo": about.server_info,
    }
    return _with_instructions(result, about)


def _with_instructions(result: JsonObject, about: About) -> JsonObject:
    return result if about.instructions is None else {**result, "instructions": about.instructions}


def facts_of(
    version: str, capabilities: object, info: object, within: int | None = None
) -> ClientFacts | RpcError:
    """What a client says of itself, within bounds: sessions keep it, here and at the tool servers.

    `within`: bytes of the body it came in, where they are known."""
    if not isinstance(capabilities, dict):
        return RpcError(INVALID_PARAMS, "the client's capabilities must be an object")
    if info is not None and not isinstance(info, dict):
        return RpcError(INVALID_PARAMS, "clientInfo must be an object")
    small = within is not None and within * MOST_LONGER <= MAX_CLIENT
    if not small and len(strict_json.dumps([capabilities, info])) > MAX_CLIENT:
        return RpcError(INVALID_PARAMS, f"a client's facts are at most {MAX_CLIENT} bytes")
    return ClientFacts(version, capabilities, info)


def client_of(params: JsonObject) -> ClientFacts | RpcError:
    """What an `initialize` says of its client. A version that is not known becomes the latest that is.

    What is null in it is left out, as typed languages write it: a tool server that is told of the client in its own
    words may refuse a null, and a capability that is null is none."""
    offered = params.get("protocolVersion")
    if not isinstance(offered, str):
        return RpcError(INVALID_PARAMS, "protocolVersion must be a string")
    version = offered if offered in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
    capabilities, info = stated(params.get("capabilities", {})), stated(params.get("clientInfo"))
    return facts_of(version, {} if capabilities is None else capabilities, info)
