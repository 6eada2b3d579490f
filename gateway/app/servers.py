"""The tool servers of a gateway, each opened as it is to be shared."""

from __future__ import annotations

from gateway.app.credentials import Lending
from gateway.ports import WatchedServer
from gateway.settings import ServerSettings, Settings
from gateway.undo import packs
from gateway.wire.servers import LateAnswer, open_server
from gateway.wire.servers.seal import Seal


def open_servers(
    settings: Settings, seal: Seal, late: LateAnswer, lending: Lending
) -> dict[str, WatchedServer]:
    """All servers of the settings by id. Connects and starts nothing yet. Raises `Misconfigured`."""
    lending.warn()
    return {
        name: open_server(
            name,
            _together(settings, name, one),
            seal,
            lending.late(name, late),
            lending.own(name),
        )
        for name, one in settings.servers.items()
    }


def _together(settings: Settings, name: str, server: ServerSettings) -> ServerSettings:
    """A server with an undo pack is one process for all, and asks nobody: what it keeps in memory must be
    what is read before a call."""
    if not (settings.policy_dir / packs.DIRECTORY / f"{name}.yaml").exists():
        return server
    return server.model_copy(update={"questions": None if server.command is None else ()})
