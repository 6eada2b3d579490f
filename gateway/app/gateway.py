"""The one place that wires adapters: settings in, a running gateway out. No rule lives here."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from gateway.app.bounds import LiveBounds
from gateway.app.clock import microseconds, new_call_id, seconds
from gateway.app.credentials import Lending
from gateway.app.events import receiving
from gateway.app.grants import counter, office
from gateway.app.held import held_calls_sent
from gateway.app.identity import Identities
from gateway.app.meanwhile import meanwhile
from gateway.app.reverse import open_packs, own_reads, reversing
from gateway.app.servers import open_servers
from gateway.app.warrants import receipts
from gateway.approvals.asking import Asking
from gateway.catalogue import pins
from gateway.catalogue.earlier import EarlierLists
from gateway.catalogue.live import LiveCatalogue
from gateway.catalogue.shelves import CatalogueShelves
from gateway.core.model import Outcome
from gateway.core.validate import check_call
from gateway.credentials.tokens import Tokens
from gateway.files import following
from gateway.files.listing import named
from gateway.finishing import until
from gateway.gate.front import FrontGate
from gateway.gate.turned_away import TurnedAway
from gateway.grant_ports import GrantDesk
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.line.bounds import Bounds
from gateway.line.evenly import Evenly
from gateway.pep import Line
from gateway.policy.live import LivePolicies
from gateway.ports import Events, ToolServer, WatchedServer
from gateway.settings import Settings
from gateway.timings import Timings
from gateway.undo.live import LivePacks
from gateway.undo.reverser import PackReverser
from gateway.values import Value
from gateway.wire.servers.seal import Seal

log = logging.getLogger("bulkhead")

CLOSE_SECONDS = 10.0


class Gateway(Value):
    """Everything a front end or a command needs of a running gateway."""

    settings: Settings
    gate: FrontGate
    catalogue: LiveCatalogue
    policies: LivePolicies
    identities: Identities
    desk: GrantDesk
    events: Events | None
    timings: Timings
    journal: SqliteJournal
    tokens: Tokens
    in_doubt: Sequence[str]
    """Calls an earlier gateway forwarded and never heard back from."""
    up: asyncio.Event
    """Set by who serves, once agents are answered: what can wait until then waits for it."""

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """For /readyz. Ready once the catalogue has started and an issuer's keys are here, and while lines can be
        written; a broken server is never fatal.

        Servers are counted and not named: whoever can connect may ask, also who may not know of one.
        """
        states = Counter(server["state"] for server in self.catalogue.status().values())
        facts = {"policy": self.policies.current.version, "servers": dict(states)}
        if self.identities.keys or self.identities.asked:
            facts["issuers"] = self.identities.status()
        return self.identities.ready and self.journal.takes_lines, facts


class Ground(Value):
    """What all else of a gateway is built on."""

    settings: Settings
    policies: LivePolicies
    identities: Identities
    protector: Protector
    packs: LivePacks
    journal: SqliteJournal
    lending: Lending
    servers: Mapping[str, WatchedServer]
    catalogue: LiveCatalogue


@asynccontextmanager
async def open_gateway(
    settings: Settings, over: asyncio.Event | None = None
) -> AsyncIterator[Gateway]:
    """A gateway without its agent-facing wire. `over`: once it is set, tool servers are not waited for.

    Raises `Misconfigured`, `JournalError`."""

    def late(call_id: str, outcome: Outcome) -> None:
        reverser.doubts.late(call_id, outcome)

    ground = await _ground(settings, late)
    journal, protector, servers = ground.journal, ground.protector, ground.servers
    reads = own_reads(journal, protector, servers)
    reverser = reversing(
        settings, ground.packs, reads, journal, protector, servers, ground.catalogue
    )
    bounds = LiveBounds(settings, journal, ground.policies)
    line = _line(ground, bounds, reverser)
    gate = _gate(ground, bounds, line)
    ground.lending.ends_by(bounds.alive.why_dead)
    bounds.on_change(gate.changed, ground.lending.changed)
    sending = held_calls_sent(settings.journal_file, protector, line)
    try:
        in_doubt = await journal.recover()
        await until(over or asyncio.Event(), ground.catalogue.start())
        told_by = ground.identities.transmitters
        heard = receiving(settings, told_by, journal, protector, bounds)
        up = asyncio.Event()
        async with _followed(ground, bounds, gate, up), sending, heard as events:
            yield _opened(ground, bounds, gate, line, events, in_doubt, up)
    finally:
        with anyio.CancelScope(shield=True):
            await ground.catalogue.aclose()
            await reverser.doubts.aclose()
            await close_servers(ground.servers)
            await ground.lending.aclose()
            bounds.close()
            await journal.aclose()


async def _ground(settings: Settings, late: Callable[[str, Outcome], None]) -> Ground:
    """Everything an operator can have wrong is found before a process is started."""
    identities = Identities.open(settings)
    policies = LivePolicies(settings.policy_dir, settings.servers)
    approved = pins.load(settings.policy_dir, settings.servers)
    protector = Protector.open(settings.state_dir)
    lending = Lending(settings)
    opened = open_servers(settings, Seal(protector.key_for(b"parked calls")), late, lending)
    packs = open_packs(settings, policies)
    journal = await SqliteJournal.open(settings.journal_file)
    servers = await lending.begin(opened, journal, protector)
    offered = {name: server for name, server in servers.items() if name in settings.offered}
    earlier = EarlierLists(settings.state_dir / "catalogue")
    catalogue = LiveCatalogue(offered, settings, approved, earlier=earlier)
    return Ground(
        settings, policies, identities, protector, packs, journal, lending, servers, catalogue
    )


def _opened(
    ground: Ground,
    bounds: LiveBounds,
    gate: FrontGate,
    line: Line,
    events: Events | None,
    in_doubt: Sequence[str],
    up: asyncio.Event,
) -> Gateway:
    settings, policies, journal = ground.settings, ground.policies, ground.journal
    giving = office(settings, policies, ground.protector, journal, bounds.store)
    return Gateway(
        settings=settings,
        gate=gate,
        catalogue=ground.catalogue,
        policies=policies,
        identities=ground.identities,
        desk=counter(giving, policies, bounds),
        events=events,
        timings=Timings(line.decisions, journal.waits),
        journal=journal,
        tokens=ground.lending.tokens,
        in_doubt=in_doubt,
        up=up,
    )


def _line(ground: Ground, bounds: Bounds, reverser: PackReverser) -> Line:
    journal, protector = ground.journal, ground.protector
    return Line(
        catalogue=ground.catalogue,
        policies=ground.policies,
        check=check_call,
        journal=journal,
        protector=protector,
        servers=ground.servers,
        reverser=reverser,
        clock=microseconds,
        new_call_id=new_call_id,
        bounds=bounds,
        pace=Evenly(),
        remembered=journal.remembered(protector),
        approvals=Asking(journal.tickets(), protector, microseconds),
        results=ground.settings.retention.keep_results,
    )


def _gate(ground: Ground, bounds: Bounds, line: Line) -> FrontGate:
    return FrontGate(
        origin=ground.settings.origin,
        line=line,
        shelves=CatalogueShelves(ground.catalogue, ground.protector.key_for(b"cursors")),
        policies=ground.policies,
        bounds=bounds,
        verifier=ground.identities.verifier,
        turned_away=TurnedAway(ground.journal, ground.protector, microseconds, new_call_id),
        seconds=seconds,
        catalogue=ground.catalogue,
        watched={name: server.watches for name, server in ground.servers.items()},
        receipts=receipts(ground.settings),
        noted=ground.lending.noted,
    )


@asynccontextmanager
async def _followed(
    ground: Ground, bounds: LiveBounds, gate: FrontGate, up: asyncio.Event
) -> AsyncIterator[None]:
    """Policies, approvals, undo packs and keys are taken up as they change, while this is entered."""

    def policy_news(line: str) -> None:
        log.warning(line)
        gate.changed()

    ground.catalogue.on_change(gate.changed)
    watches = meanwhile(
        ground.policies.watch(policy_news),
        _follow_pins(ground.settings, ground.catalogue),
        ground.packs.watch(log.warning),
        bounds.watch(),
        _look_once(up, ground.catalogue),
    )
    async with watches, ground.identities.followed():
        yield


async def _look_once(up: asyncio.Event, catalogue: LiveCatalogue) -> None:
    """Tool servers that start take the processor from who starts: those that can wait are asked later."""
    await up.wait()
    catalogue.look()


async def _follow_pins(settings: Settings, catalogue: LiveCatalogue) -> None:
    """An approval takes effect while the gateway runs; a broken pin file changes nothing."""
    directory = settings.policy_dir / pins.DIRECTORY

    async def take() -> None:
        catalogue.reload_pins()

    def not_taken(why: str) -> None:
        log.warning("approvals of a server not taken, its earlier ones stay in force: %s", why)

    await following.follow(lambda: named(directory, ".json"), take, not_taken)


async def close_servers(servers: Mapping[str, ToolServer]) -> None:
    """All at once: a server that will not end costs its own bound, not the sum."""
    with anyio.move_on_after(CLOSE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for server in servers.values():
                tasks.start_soon(server.aclose)
