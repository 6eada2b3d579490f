"""Wires forgetting: the journal, what finds payloads in it, and the lines that say what was forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from typing import Final

import anyio

from gateway.app.clock import microseconds, new_call_id
from gateway.core import record
from gateway.core.act import of_act
from gateway.core.forget import METHOD, VERDICT, Forget
from gateway.journals import findpayloads
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallRow
from gateway.settings import Settings
from gateway.values import Value

PATIENCE: Final = 10
"""Tries, a second apart, to empty the write-ahead log."""


class Forgetting(Value):
    """Forgets calls of one journal."""

    journal: SqliteJournal
    reader: SqliteReader
    protector: Protector

    def calls_of(self, subject: str) -> list[CallRow]:
        """Calls an agent made, or that hold this text anywhere; some may not be over."""
        named = findpayloads.of_subject(self.reader, subject, self.protector.unseal)
        return [row for row in map(self.reader.call, named) if row is not None]

    async def forget(self, calls: Sequence[CallRow], by: str) -> bool:
        """Their payloads are gone, and a line of each says so; and of those that went before nothing is left. False:
        the log still holds some for now.

        Raises `JournalError`."""
        found = findpayloads.of_calls(self.reader, [row.record.call_id for row in calls])
        waiting = [
            self.journal.append(
                record.noted(
                    of_act(
                        new_call_id(),
                        by,
                        METHOD,
                        tenant=row.record.tenant,
                        target=row.record.call_id,
                    ),
                    microseconds(),
                    {"of": row.record.call_id, "verdict": VERDICT},
                    (Forget(row.record.call_id, found[row.record.call_id]),),
                )
            )
            for row in calls
        ]
        for pending in waiting:
            await pending.sealed()
        for _ in range(PATIENCE):
            if await self.journal.scrub():
                return True
            await anyio.sleep(1)
        return False


@asynccontextmanager
async def open_forgetting(settings: Settings) -> AsyncIterator[Forgetting]:
    """Raises `Misconfigured`, `JournalError`."""
    path = settings.journal_file
    async with aclosing(await SqliteJournal.open(path)) as journal:
        with closing(SqliteReader(path)) as reader:
            yield Forgetting(journal, reader, Protector.open(settings.state_dir))
