"""Who has read from tool servers since calls were made, by the journal: not what they saw, only that they could have.

The reads are looked up by server and time: a plan of thousands of calls must not count each of them for each call.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Final

from gateway.core.model import Effect
from gateway.core.record import State
from gateway.core.reverse import Recorded
from gateway.ports import CallFilter, JournalReader
from gateway.undo.ledger import MANY
from gateway.undo.plan import Exposure

AGENTS: Final = "agent:"


class Exposures:
    """What agents have read since the first of some calls."""

    def __init__(self, reader: JournalReader, calls: Sequence[Recorded]) -> None:
        """Raises `JournalError`."""
        self._reads = defaultdict[str, dict[tuple[str, str, str], list[int]]](dict)
        """By server, and by agent, tenant and task: when, the earliest first."""
        since = min((call.created_at for call in calls), default=0)
        for row in reader.calls(CallFilter(since=since), MANY) if calls else ():
            record = row.record
            is_read = record.effect == Effect.READ and row.state is not State.REFUSED
            if is_read and record.agent.startswith(AGENTS):
                whose = record.agent, record.tenant, record.task
                self._reads[record.server].setdefault(whose, []).append(row.created_at)
        for times in chain.from_iterable(reads.values() for reads in self._reads.values()):
            times.sort()

    def of(self, call: Recorded) -> tuple[Exposure, ...]:
        """Who has read from its server since it was made, and how often."""
        since = (
            (whose, len(times) - bisect_left(times, call.created_at))
            for whose, times in self._reads[call.record.server].items()
        )
        return tuple(Exposure(*whose, reads) for whose, reads in sorted(since) if reads)
