"""A client that can answer what the operator names. It answers nothing.

Some servers list a tool only to clients that can answer its questions: their lists are read as by this one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gateway.core.model import ClientFacts, JsonObject
from gateway.core.resolve import KINDS
from gateway.wire.servers.envelope import GATEWAY_INFO, STATELESS_VERSION

LISTS: Final = frozenset(shape.method for shape in KINDS.values())
_ABLE: Final[dict[str, JsonObject]] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"context": {}, "tools": {}},
    "roots": {},
}
"""Each capability of a client, in full."""


def able(questions: Collection[str]) -> ClientFacts:
    """The client."""
    capabilities = {name: _ABLE[name] for name in sorted(questions)}
    return ClientFacts(STATELESS_VERSION, capabilities, GATEWAY_INFO)
