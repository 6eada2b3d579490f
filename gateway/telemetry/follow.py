"""Follows the journal of a running gateway and tells meters and spans what it reads: off the hot path, in a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
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
        self._one = threading.Lock()
        """Who stops following may find a look still under way: it is not done twice."""

    def catch_up(self) -> None:
        """Tell of every line there is by now. A fault of the journal, or of one who is told, is logged and no more:
        what cannot be read now is read later, and a batch that cannot be told is passed over."""
        try:
            with self._one:
                self._catch_up()
        except JournalError as error:
            log.warning("telemetry falls behind: %s", error)
        except Exception:
            log.exception(
                "telemetry passes over what it could not tell, up to line %d", self._after
            )

    def _catch_up(self) -> None:
        while rows := self._reader.events(self._after, BATCH):
            self._after = rows[-1].seq
            for fact in self._folder.fold(rows):
                for tell in self._told:
                    tell(fact)
        self._then()


async def keep_following(follower: Follower) -> None:
    """For ever."""
    while True:
        await asyncio.to_thread(follower.catch_up)
        await asyncio.sleep(LOOK_SECONDS)
