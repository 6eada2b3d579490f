"""The one place that wires adapters: settings in, a running gateway out. No rule lives here."""

from __future__ import annotations

import logging
import os
import time
from base64 import b32encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from watchfiles import awatch

from gateway.catalogue import pins
from gateway.catalogue.live import LiveCatalogue
from gateway.catalogue.shelves import CatalogueShelves
from gateway.core.model import Endpoint, JsonObject
from gateway.core.resolve import Shelf
from gateway.core.validate import check_call
from gateway.errors import Misconfigured
from gateway.gate import FrontGate
from gateway.identity.jwt import JwtVerifier
from gateway.identity.keys import SETTLE
from gateway.identity.local import LocalIssuer
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.pep import Line
from gateway.policy.live import LivePolicies
from gateway.ports import ToolServer
from gateway.settings import Settings
from gateway.wire.servers import open_server

log = logging.getLogger("bulkhead")

CLOSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a front end or a command needs of a running gateway."""

    settings: Settings
    gate: FrontGate
    catalogue: LiveCatalogue
    policies: LivePolicies
    issuer: LocalIssuer
    in_doubt: Sequence[str]
    """Calls an earlier gateway forwarded and never heard back from."""

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """For /readyz. Ready once the catalogue has started; a broken server is named, never fatal."""
        return True, {"policy": self.policies.current.version, "servers": self.catalogue.status()}

    def schema_of(self, endpoint: Endpoint, name: str) -> JsonObject | None:
        """The input schema advertised for a tool, for the `Mcp-Param-*` header rules."""
        table = self.catalogue.current
        shelf = table.aggregate
        if endpoint.kind == "server" and endpoint.server:
            shelf = table.servers.get(endpoint.server, Shelf())
        entry = shelf.tools.get(name)
        schema = entry.descriptor.get("inputSchema") if entry else None
        return schema if isinstance(schema, dict) else None


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway without its agent-facing wire. Raises `Misconfigured`, `JournalError`.

    Everything an operator can have wrong is found before a process is started.
    """
    policies = LivePolicies(settings.policy_dir, settings.servers)
    approved = pins.load(settings.policy_dir, settings.servers)
    issuer = LocalIssuer.open(settings.state_dir, settings.origin)
    protector = Protector.open(settings.state_dir)
    servers = {name: open_server(name, one) for name, one in settings.servers.items()}
    journal = await SqliteJournal.open(settings.state_dir / "journal.db")
    try:
        in_doubt = await journal.recover()
        catalogue = LiveCatalogue(servers, settings, approved)
        line = Line(
            catalogue=catalogue,
            policies=policies,
            check=check_call,
            journal=journal,
            protector=protector,
            servers=servers,
            clock=_microseconds,
            new_call_id=_new_call_id,
        )
        gate = FrontGate(
            line=line,
            shelves=CatalogueShelves(catalogue, servers),
            policies=policies,
            verifier=JwtVerifier([issuer.profile], settings.origin),
            seconds=lambda: int(time.time()),
        )
        async with anyio.create_task_group() as tasks:
            await catalogue.start()
            tasks.start_soon(policies.watch, log.warning)
            tasks.start_soon(_follow_pins, settings, catalogue)
            tasks.start_soon(_refresh_keys, issuer)
            try:
                yield Gateway(settings, gate, catalogue, policies, issuer, in_doubt)
            finally:
                # Before the cancellation: nothing can be awaited in a scope that is being cancelled.
                with anyio.CancelScope(shield=True):
                    await catalogue.aclose()
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _close(servers)
            await journal.aclose()


async def _follow_pins(settings: Settings, catalogue: LiveCatalogue) -> None:
    """An approval takes effect while the gateway runs; a broken pin file changes nothing."""

    def ours(_: object, path: str) -> bool:
        return Path(path).parent.name == pins.DIRECTORY and path.endswith(".json")

    async for _ in awatch(settings.policy_dir, watch_filter=ours):
        try:
            catalogue.reload_pins()
        except Misconfigured as error:
            log.warning("approvals not taken, the earlier ones stay in force: %s", error)


async def _refresh_keys(issuer: LocalIssuer) -> None:
    """Takes up a rotated signing key before `bulkhead token` uses it."""
    while True:
        await anyio.sleep(SETTLE / 3)
        issuer.refresh()


async def _close(servers: Mapping[str, ToolServer]) -> None:
    """All at once: a server that will not end costs its own bound, not the sum."""
    with anyio.move_on_after(CLOSE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for server in servers.values():
                tasks.start_soon(server.aclose)


def _microseconds() -> int:
    return time.time_ns() // 1_000


def _new_call_id() -> str:
    """80 random bits, 16 characters a person can read out: a prefix of a few names a call."""
    return b32encode(os.urandom(10)).decode().lower()
