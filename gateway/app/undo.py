"""Wires a rollback: the parts of a gateway an undo needs, in a process of its own, beside gateways that serve.

It starts only the tool servers that are asked, and shares journal, leases and policy with whoever
else has them open. No rule lives here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from gateway.app.clock import microseconds, new_call_id, wall
from gateway.app.credentials import Lending
from gateway.app.gateway import close_servers
from gateway.app.reverse import open_packs, own_reads
from gateway.catalogue import pins
from gateway.catalogue.offered import Offered
from gateway.errands import GatewayErrands
from gateway.finishing import to_its_end
from gateway.grant_ports import GrantStore
from gateway.journals import runs
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.policy.live import LivePolicies
from gateway.ports import ToolServer
from gateway.settings import MAX_WHOLE, Settings
from gateway.signer import Signer
from gateway.undo.deadlines import Deadlines, Looked
from gateway.undo.held import Held
from gateway.undo.keeping import keep
from gateway.undo.ledger import Ledger
from gateway.undo.live import LivePacks
from gateway.undo.looking import Looker
from gateway.undo.parts import Parts, held_calls
from gateway.undo.rollback import Rollback
from gateway.undo.settling import Settler
from gateway.wire.servers import open_server, process

log = logging.getLogger("bulkhead.undo")

LOOK_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 10.0


@asynccontextmanager
async def open_rollback(
    settings: Settings, operator: str, progress: Callable[[str], None] = lambda said: None
) -> AsyncIterator[Rollback]:
    """A rollback for one operator. Raises `Misconfigured`, `JournalError`."""
    async with _open_parts(settings) as parts:
        yield Rollback(parts, operator, progress)


async def keep_deadlines(settings: Settings, config: Path) -> None:
    """Sees to tasks whose time is over, for ever. What goes wrong is logged, and tried again."""
    deadlines, told = Deadlines(settings.state_dir), set[str]()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            looked = await asyncio.to_thread(deadlines.look)
            told = _told(looked, told)
            await asyncio.to_thread(deadlines.forget, microseconds())
            if looked.overdue(wall()):
                await _kept_apart(config)
        except Exception as error:
            log.error("a task's deadline cannot be kept yet: %s", error)
            await asyncio.sleep(AGAIN_SECONDS)


def _told(looked: Looked, before: set[str]) -> set[str]:
    """Each file that is no promise is told once, as long as it is none."""
    unreadable = {str(error) for error in looked.unreadable}
    for error in sorted(unreadable - before):
        log.error("a task's deadline is not known: %s", error)
    return unreadable


async def keep_overdue(settings: Settings) -> None:
    """Sees to tasks whose time is over, once. Raises as `keep`."""
    deadlines = Deadlines(settings.state_dir)
    await keep(deadlines, lambda operator: open_rollback(settings, operator), microseconds())


async def _kept_apart(config: Path) -> None:
    """In a process of its own, as an operator's rollback is: this one's tool servers may keep files open, and a
    companion takes those that its own parent has started for a rollback's."""
    argv = (sys.executable, "-P", "-m", "gateway", "task", "keep", "--config", str(config))
    command = process.Command("deadlines", argv, os.environ, None)
    running = await process.start(
        command, MAX_WHOLE, lambda it: lambda line: log.warning("%s", it.shown(line))
    )
    try:
        how = await running.ended
        if await running.exited:
            raise ChildProcessError(running.last_words or how)
    finally:
        await to_its_end(running.stop(patience=0.5))


@asynccontextmanager
async def open_settler(settings: Settings) -> AsyncIterator[tuple[Settler, Ledger]]:
    """What settles calls in doubt, and where they are found. Raises `Misconfigured`, `JournalError`."""
    async with _open_parts(settings) as parts:
        yield Settler(parts), parts.ledger


@asynccontextmanager
async def open_held(settings: Settings) -> AsyncIterator[Held]:
    """What an operator may do about held calls. Raises `Misconfigured`, `JournalError`."""
    async with _open_parts(settings) as parts:
        yield held_calls(parts)


@asynccontextmanager
async def _open_parts(settings: Settings) -> AsyncIterator[Parts]:
    policies = LivePolicies(settings.policy_dir, settings.servers)
    packs = open_packs(settings, policies)
    protector = Protector.open(settings.state_dir)
    lending = Lending(settings)
    opened = {
        name: open_server(name, one, own=lending.own(name))
        for name, one in settings.servers.items()
    }
    reader = SqliteReader(settings.journal_file)
    try:
        journal = await SqliteJournal.open(settings.journal_file)
    except BaseException:
        reader.close()
        raise
    grants = journal.grants()
    try:
        await journal.recover()
        servers = await lending.begin(opened, journal, protector)
        parts = _parts(settings, policies, packs, protector, servers, journal, reader, grants)
        yield parts
    finally:
        with anyio.CancelScope(shield=True):
            await close_servers(opened)
            await lending.aclose()
            grants.close()
            await journal.aclose()
            reader.close()


def _parts(
    settings: Settings,
    policies: LivePolicies,
    packs: LivePacks,
    protector: Protector,
    servers: Mapping[str, ToolServer],
    journal: SqliteJournal,
    reader: SqliteReader,
    grants: GrantStore,
) -> Parts:
    reads = own_reads(journal, protector, servers)
    approved = pins.load(settings.policy_dir, settings.servers)
    offered = Offered({name: servers[name] for name in settings.offered}, approved)
    return Parts(
        reader=reader,
        ledger=Ledger(reader, protector),
        looker=Looker(packs.current, servers, reads, offered.why_withheld),
        errands=_errands(settings, policies, protector, servers, journal),
        leases=journal.leases(),
        journal=journal,
        protector=protector,
        policies=policies,
        servers=servers,
        settings=settings.servers,
        is_gone=lambda run: runs.is_gone(journal.runs_at, run),
        parents=lambda: {each.grant.id: each.grant.parent for each in grants.since(0)},
        tenant=settings.tenant,
        clock=microseconds,
        new_call_id=new_call_id,
        signer=Signer.open(settings.state_dir / "secrets" / "rollback.key"),
    )


def _errands(
    settings: Settings,
    policies: LivePolicies,
    protector: Protector,
    servers: Mapping[str, ToolServer],
    journal: SqliteJournal,
) -> GatewayErrands:
    return GatewayErrands(
        policies=policies,
        journal=journal,
        protector=protector,
        servers=servers,
        destinations={name: one.destination for name, one in settings.servers.items()},
        companions=settings.companions,
        tenant=settings.tenant,
        clock=microseconds,
        new_call_id=new_call_id,
    )
