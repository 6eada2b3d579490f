"""Follows the journal of a running gateway and tells meters and spans what it reads: off the hot path, in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from gateway.errors import JournalError
from gateway.ports import JournalReader
from gateway.telemetry.facts import Fact, Folder

log = logging.getLogger("bulkhead.telemetry")

LOOK_SECONDS: Final = 0.5
BATCH: Final = 500


class Follower:
    """Reads on from where it was begun."""

    def __init__(
        self,
        reader: JournalReader,
        folder: Folder,
        after: int,
        told: Sequence[Callable[[Fact], None]],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """`then`: called each time it has caught up."""
        self._then = then
        self._reader = reader
        self._folder = folder
        self._after = after
        self._told = told

    def catch_up(self) -> None:
        """Tell of every line there is by now. Raises `JournalError`."""
        while rows := self._reader.events(self._after, BATCH):
            self._after = rows[-1].seq
            for fact in self._folder.fold(rows):
                for tell in self._told:
                    tell(fact)
        self._then()


async def keep_following(follower: Follower) -> None:
    """For ever. What cannot be read now is read later."""
    while True:
        try:
            await asyncio.to_thread(follower.catch_up)
        except JournalError as error:
            log.warning("telemetry falls behind: %s", error)
        await asyncio.sleep(LOOK_SECONDS)
