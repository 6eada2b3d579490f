"""Wires what hears of stolen and ended identities: transmitters of security events, and what stops who they name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from gateway.app.bounds import LiveBounds
from gateway.app.clock import microseconds, new_call_id
from gateway.app.identity import kept_fresh
from gateway.core.model import Endpoint
from gateway.errors import Refused
from gateway.fences.log import FenceLog
from gateway.gate.turned_away import TurnedAway
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import Events
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.identity.sets import Transmitter


@asynccontextmanager
async def receiving(
    settings: Settings,
    transmitters: Sequence[Transmitter],
    journal: SqliteJournal,
    protector: Protector,
    bounds: LiveBounds,
) -> AsyncIterator[Events | None]:
    """Events are heard while this is entered; None where there is no transmitter. Raises `Misconfigured`."""
    if not transmitters:
        yield None
        return
    from gateway.fences.desk import Desk
    from gateway.fences.once import Once
    from gateway.fences.receiving import Receiving
    from gateway.identity.sets import SetReader

    turned_away = TurnedAway(journal, protector, microseconds, new_call_id)

    def refused(no: Refused) -> None:
        turned_away.note(Endpoint("events"), no)

    remembered = journal.remembered(protector)
    with (
        closing(FenceLog(settings.state_dir)) as log,
        closing(SqliteReader(settings.journal_file)) as reader,
        closing(Once(settings.state_dir / "events.lock")) as once,
    ):
        desk = Desk(
            log=log,
            journal=journal,
            reader=reader,
            grants=bounds.store,
            tickets=journal.tickets(),
            protector=protector,
            tenant=settings.tenant,
            clock=microseconds,
            new_call_id=new_call_id,
        )
        async with kept_fresh([each.keys for each in transmitters]):
            yield Receiving(SetReader(transmitters), desk, remembered, once, microseconds, refused)
