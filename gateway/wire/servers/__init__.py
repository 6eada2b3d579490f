"""Tool servers, over stdio or Streamable HTTP, either protocol era: the adapters of `ports.ToolServer`."""

from __future__ import annotations

from gateway.ports import ToolServer
from gateway.settings import ServerSettings
from gateway.wire.servers.rounds import Rounds

__all__ = ["open_server"]


def open_server(name: str, settings: ServerSettings) -> ToolServer:
    """The adapter for one configured server. Starts and connects nothing yet.

    Raises `Misconfigured` when it cannot ever work, such as a command that is not installed.
    """
    if settings.command is None:
        from gateway.wire.servers.http import HttpServer

        return Rounds(HttpServer(name, settings))
    from gateway.wire.servers.stdio import StdioServer

    return Rounds(StdioServer(name, settings))
