"""What tool servers call themselves now: a server nobody has greeted yet is started and greeted for it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.ports import ServerUnavailable, ToolServer


def is_up(server: ToolServer) -> bool:
    """Has it been greeted, and not been lost since?"""
    return server.describe().get("era") is not None


def version_of(server: ToolServer) -> str | None:
    """`serverInfo.version`, as the server says it now."""
    return version_in(server.describe().get("server_info"))


def version_in(info: object) -> str | None:
    """The version in a `serverInfo`; None for one that has none, or is none."""
    version = info.get("version") if isinstance(info, dict) else None
    return version if isinstance(version, str) else None


async def version_now(servers: Mapping[str, ToolServer], name: str) -> str | None:
    """The same as `version_of`; None also when there is no such server, or it is not up."""
    server = servers.get(name)
    if server is None:
        return None
    if server.describe().get("server_info") is None:
        try:
            await server.fetch("server/discover", {})
        except ServerUnavailable:
            return None
    return version_of(server)
