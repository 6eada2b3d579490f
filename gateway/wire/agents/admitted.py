"""A head that has passed every check, and what it says: concluded once, also of one that comes again and again.

Only what follows from the head alone. Whose it is, and whether the body says the same, is asked with every request.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.core.frame import Frame
from gateway.core.model import ClientFacts, Endpoint, Evidence, JsonObject
from gateway.sdk import LATEST_MODERN_VERSION, inbound
from gateway.values import Value, field
from gateway.wire.agents.challenges import evidence_of
from gateway.wire.agents.exchange import Head, Header
from gateway.wire.methods import NAMED

SESSION_ID: Final = "mcp-session-id"
PARAM_PREFIX: Final = inbound.MCP_PARAM_HEADER_PREFIX.lower()
_ENCODED: Final = "=?"


class Agreed(Value):
    """What a head and the envelope behind it come to (mirrored.py)."""

    said: bytes
    """All that was read of the body."""
    version: str
    """Of the catalogue."""
    meta: JsonObject
    """The envelope itself, of the call this was learned from: the facts are of this very object."""
    facts: ClientFacts
    extra: tuple[Header, ...]
    """The `Mcp-Param-*` headers that are for the server alone."""
    frame: Frame | None = None
    """That of a call with no other params but its arguments; None where it is not plain enough for one."""


class Last(Struct):
    """The agreement that came last behind a head, or behind one that differs in its length or trace only."""

    agreed: Agreed | None = None


class Admitted(Value):
    """One head, at one endpoint. Of a header that may be there once there is one, or none."""

    head: Head
    endpoint: Endpoint
    evidence: Evidence
    """What it shows of who sent it, on a connection without a client's certificate."""
    version: str | None
    """`MCP-Protocol-Version`."""
    session: str | None
    """`Mcp-Session-Id`."""
    method: str | None
    """`Mcp-Method`."""
    name: str | None
    """`Mcp-Name`."""
    params: tuple[Header, ...]
    """The `Mcp-Param-*` headers, as they came."""
    member: str | None
    """Which of the params the name is to repeat, by the method; None where it repeats none."""
    plain: bool
    """A body can say the same word for word: of this version, all there, and nothing of it encoded."""
    last: Last = field(default_factory=Last)

    @classmethod
    def of(cls, head: Head, endpoint: Endpoint) -> Admitted:
        """What it says. The checks are who calls this one's to make."""
        version = head.get(inbound.MCP_PROTOCOL_VERSION_HEADER)
        method, name = head.get(inbound.MCP_METHOD_HEADER), head.get(inbound.MCP_NAME_HEADER)
        member = NAMED.get(method or "")
        as_it_is = member is None if name is None else not name.startswith(_ENCODED)
        return cls(
            head,
            endpoint,
            evidence_of(head, endpoint),
            version,
            head.get(SESSION_ID),
            method,
            name,
            tuple(header for header in head.headers if header[0].startswith(PARAM_PREFIX)),
            member,
            version == LATEST_MODERN_VERSION and as_it_is,
        )
