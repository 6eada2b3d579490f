"""Wires where operators stop things: beside gateways that serve, on the same journal and fence log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, closing

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
    protector = Protector.open(settings.state_dir)
    path = settings.journal_file
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(aclosing(await SqliteJournal.open(path)))
        store = stack.enter_context(closing(journal.grants()))
        reader = stack.enter_context(closing(SqliteReader(path)))
        lent = stack.enter_context(closing(journal.credentials()))
        # What a gateway that is gone had under way is in doubt, and not to be waited for.
        await journal.recover()
        if lent.all(live=True):
            # What gateways that are gone have lent is called back from here.
            lending = await stack.enter_async_context(aclosing(Lending(settings)))
            await lending.begin({}, journal, protector)
        yield Desk(
            log=log,
            journal=journal,
            reader=reader,
            grants=store,
            tickets=journal.tickets(),
            lent=lent,
            protector=protector,
            tenant=settings.tenant,
            clock=microseconds,
            new_call_id=new_call_id,
        )
