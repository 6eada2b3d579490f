"""Wires what hears of stolen and ended identities: transmitters of security events, and what stops who they name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.app.bounds import LiveBounds
from gateway.app.identity import kept_fresh, open_keys
from gateway.core.model import Endpoint
from gateway.errors import Refused
from gateway.fences.desk import Desk
from gateway.fences.log import FenceLog
from gateway.fences.receiving import Receiving
from gateway.identity.sets import SetReader, Transmitter
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import Events
from gateway.settings import Settings
from gateway.turned_away import TurnedAway

DISCOVERY = "/.well-known/ssf-configuration"


@asynccontextmanager
async def receiving(
    settings: Settings,
    journal: SqliteJournal,
    protector: Protector,
    bounds: LiveBounds,
    clock: Callable[[], int],
    new_call_id: Callable[[], str],
) -> AsyncIterator[Events | None]:
    """Events are heard while this is entered; None where no transmitter is configured. Raises `Misconfigured`."""
    if not settings.transmitters:
        yield None
        return
    transmitters = open_transmitters(settings)
    turned_away = TurnedAway(journal, protector, clock, new_call_id)
    log, reader = FenceLog(settings.state_dir), SqliteReader(settings.state_dir / "journal.db")

    def refused(no: Refused) -> None:
        turned_away.note(Endpoint("events"), no)

    desk = Desk(
        log=log,
        journal=journal,
        reader=reader,
        grants=bounds.store,
        protector=protector,
        tenant=settings.tenant,
        clock=clock,
        new_call_id=new_call_id,
    )
    remembered = journal.remembered(protector)
    try:
        async with kept_fresh([each.keys for each in transmitters]):
            yield Receiving(SetReader(transmitters), desk, remembered, clock, refused)
    finally:
        reader.close()
        log.close()


def open_transmitters(settings: Settings) -> list[Transmitter]:
    """Those of the settings, their keys not yet fetched. Raises `Misconfigured`."""
    own = settings.origin + Endpoint("events").path
    return [
        Transmitter(
            id=id,
            issuer=one.issuer,
            audience=one.audience or own,
            algorithms=frozenset(one.algorithms),
            keys=open_keys(one.keys, one.issuer, settings, one.where, DISCOVERY),
            subjects_of=settings.issuers[one.speaks_for].name,
            naming=settings.issuers[one.speaks_for].naming,
        )
        for id, one in settings.transmitters.items()
    ]
