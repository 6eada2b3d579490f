"""Wires where operators stop things: beside gateways that serve, on the same journal and fence log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.clock import microseconds, new_call_id
from gateway.app.credentials import Lending
from gateway.fences.desk import Desk
from gateway.fences.log import FenceLog
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.settings import Settings


@asynccontextmanager
async def open_desk(settings: Settings, log: FenceLog) -> AsyncIterator[Desk]:
    """Raises `Misconfigured`, `JournalError`."""
    lending: Lending | None = None
    protector = Protector.open(settings.state_dir)
    path = settings.journal_file
    journal = await SqliteJournal.open(path)
    store, reader, lent = journal.grants(), SqliteReader(path), journal.credentials()
    try:
        # What a gateway that is gone had under way is in doubt, and not to be waited for.
        await journal.recover()
        if lent.all(live=True):
            # What gateways that are gone have lent is called back from here.
            lending = Lending(settings)
            await lending.begin({}, journal, protector)
        yield Desk(
            log=log,
            journal=journal,
            reader=reader,
            grants=store,
            lent=lent,
            protector=protector,
            tenant=settings.tenant,
            clock=microseconds,
            new_call_id=new_call_id,
        )
    finally:
        if lending is not None:
            await lending.aclose()
        lent.close()
        reader.close()
        store.close()
        await journal.aclose()
