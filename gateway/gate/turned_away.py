"""Callers nobody could identify, on record: why each was turned away, without letting them fill the disk.

It writes a burst of lines, then one in a while (a few megabytes a day), and counts the rest into the
next one. It never delays the refusal: there is nothing an unidentified caller could be answered too early.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from gateway.core import record
from gateway.core.act import of_act
from gateway.core.model import CallRecord, Endpoint
from gateway.errors import JournalError, Refused
from gateway.ports import Journal, Protector

BURST: Final = 20
"""Lines that may come at once."""
PAUSE: Final = 10_000_000
"""Microseconds after which one more may."""

log = logging.getLogger("bulkhead.line")


class TurnedAway:
    """Remembers how many lines may come now."""

    def __init__(
        self,
        journal: Journal,
        protector: Protector,
        clock: Callable[[], int],
        new_call_id: Callable[[], str],
    ) -> None:
        """`clock` gives microseconds since the epoch."""
        self._journal = journal
        self._protector = protector
        self._clock = clock
        self._new_call_id = new_call_id
        self._room: float = BURST
        self._at = clock()
        self._unwritten = 0

    def note(self, endpoint: Endpoint, no: Refused) -> None:
        """Write it down, or count it. Never raises and never waits."""
        now = self._clock()
        self._room = min(BURST, self._room + max(0, now - self._at) / PAUSE)
        self._at = now
        if self._room < 1:
            self._unwritten += 1
            return
        self._room -= 1
        more = f" (and {self._unwritten} more not written)" if self._unwritten else ""
        self._unwritten = 0
        detail = self._protector.protect_text(no.detail[:200]) + more
        line = record.refusal(self._record(endpoint), now, str(no.reason), detail)
        try:
            self._journal.append(line)
        except JournalError as error:
            log.error("a caller was turned away and it could not be recorded: %s", error)

    def _record(self, endpoint: Endpoint) -> CallRecord:
        return of_act(
            self._new_call_id(),
            "",
            "",
            self._protector.protect({}, {}),
            tenant="",
            endpoint=endpoint.path,
            server=endpoint.server or "",
        )
