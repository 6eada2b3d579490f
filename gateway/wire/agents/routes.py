"""Which path is which endpoint. Exact: no trailing slash, no decoding twice, no redirect."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.core.model import Endpoint, Tier
from gateway.settings import SERVER_ID

_FIXED: Final = {"/mcp": Endpoint("all")} | {
    f"/{tier}/mcp": Endpoint("tier", tier=tier) for tier in Tier
}


GRANTS: Final = Endpoint("grants")
"""No MCP: see grants.py."""


def protected_at(path: str) -> Endpoint | None:
    """The protected resource at a path: an endpoint, or where grants are asked for."""
    return GRANTS if path == GRANTS.path else endpoint_at(path)


def endpoint_at(path: str) -> Endpoint | None:
    """The endpoint at a path. Any well-formed server id has one: whether it exists is the gate's to tell."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    match path.split("/"):
        case ["", "servers", server, "mcp"] if SERVER_ID.fullmatch(server):
            return _of(server)
    return None


@lru_cache(maxsize=1_024)
def _of(server: str) -> Endpoint:
    """The same object each time: what is known of an endpoint is found again by it."""
    return Endpoint("server", server=server)
