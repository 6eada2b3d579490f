"""Wires retention: once an hour, beside a gateway that serves, payloads whose time is over are destroyed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from functools import partial
from typing import Final

from gateway.app.clock import DAY, microseconds, new_call_id
from gateway.core import record
from gateway.core.act import of_act
from gateway.core.apart import CLASSES, Class
from gateway.core.forget import EXPIRED
from gateway.core.model import JsonObject
from gateway.errors import JournalError, Misconfigured
from gateway.journals import expiring
from gateway.journals.sqlite import SqliteJournal
from gateway.settings import Settings

log = logging.getLogger("bulkhead.journal")

EVERY_SECONDS: Final = 3_600.0
BY: Final = "bulkhead:retention"


class Retention:
    """Remembers how far it came: a line that was looked at is not looked at again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._after = dict.fromkeys(CLASSES, 0)
        self._certain = True
        """Is nothing that was destroyed left in the file or its log?"""

    async def sweep(self, journal: SqliteJournal, now: int) -> dict[Class, int]:
        """How many payloads were destroyed, by class. Raises `JournalError`."""
        gone: dict[Class, int] = {}
        for kind in CLASSES:
            days = getattr(self._settings.retention, kind)
            if days is not None:
                gone[kind] = await self._swept(journal, kind, now - days * DAY, now)
        if any(gone.values()) or not self._certain:
            self._certain = False  # also where it fails
            self._certain = await journal.scrub(rewrite=False)
        return gone

    async def _swept(self, journal: SqliteJournal, kind: Class, before: int, now: int) -> int:
        count, last = 0, await journal.do(lambda connection: expiring.end(connection, before))
        for start in range(self._after[kind], last, expiring.LINES_AT_ONCE):
            lines = range(start, min(start + expiring.LINES_AT_ONCE, last))
            if await journal.do(partial(expiring.some, kind=kind, lines=lines)):
                if not count:
                    await self._tell(journal, {"class": kind, "before": before}, now)
                count += await journal.do(partial(expiring.destroy, kind=kind, lines=lines))
            self._after[kind] = lines.stop
        return count

    async def _tell(self, journal: SqliteJournal, body: JsonObject, now: int) -> None:
        """On record before it is done."""
        made = of_act(
            new_call_id(), BY, EXPIRED, tenant=self._settings.tenant, target=body["class"]
        )
        await journal.append(record.noted(made, now, body, ())).sealed()


async def keep_retention(settings: Settings) -> None:
    """For ever. What cannot be done now is done later."""
    retention = Retention(settings)
    while True:
        try:
            async with aclosing(await SqliteJournal.open(settings.journal_file)) as journal:
                await retention.sweep(journal, microseconds())
        except (JournalError, Misconfigured, OSError) as error:
            log.error("payloads outlast their time: %s", error)
        await asyncio.sleep(EVERY_SECONDS)
