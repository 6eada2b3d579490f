"""Which of the two state machines a message belongs to. Pure.

The body decides before the headers do: a request that carries the stateless envelope is stateless
whatever its headers say (they are then held against it), and `initialize` without it opens a session.
"""

from __future__ import annotations

from gateway.sdk import (
    HANDSHAKE_PROTOCOL_VERSIONS,
    MODERN_PROTOCOL_VERSIONS,
    PROTOCOL_VERSION_META_KEY,
)
from gateway.wire.agents.messages import Message, Response


def is_stateless(message: Message, version: str | None, session: str | None) -> bool:
    """`version` is the MCP-Protocol-Version header; `session` the id that came along."""
    if version in MODERN_PROTOCOL_VERSIONS and (
        isinstance(message, Response) or message.method != "initialize"
    ):
        return True
    if not isinstance(message, Response):
        meta = message.params.get("_meta")
        if isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta:
            return True
        if message.method == "initialize":
            return False
    # Of a version nobody knows, the stateless ladder names the ones that are served.
    known = version is None or version in HANDSHAKE_PROTOCOL_VERSIONS
    return not known and session is None
