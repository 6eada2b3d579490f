"""What tool servers call themselves now: a server nobody has greeted yet is started and greeted for it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.ports import ServerUnavailable, ToolServer


class ServerVersions:
    """`looking.Versions` of the servers of bulkhead.yaml."""

    def __init__(self, servers: Mapping[str, ToolServer]) -> None:
        self._servers = servers

    async def of(self, server: str) -> str | None:
        """`serverInfo.version`; None when it is not up or says none."""
        there = self._servers.get(server)
        if there is None:
            return None
        if there.describe().get("server_info") is None:
            try:
                await there.fetch("server/discover", {})
            except ServerUnavailable:
                return None
        return version_of(there)


def version_of(server: ToolServer) -> str | None:
    """`serverInfo.version`, as the server says it now."""
    return version_in(server.describe().get("server_info"))


def version_in(info: object) -> str | None:
    """The version in a `serverInfo`; None for one that has none, or is none."""
    version = info.get("version") if isinstance(info, dict) else None
    return version if isinstance(version, str) else None
