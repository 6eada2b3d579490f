"""The undo horizon: which calls can still be undone, and what becomes irreversible next. Pure."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final

from gateway.telemetry.facts import Fact

KEPT: Final = 100_000
UNDOABLE: Final = frozenset({"compensable", "set_exact", "exact"})


@dataclass(slots=True)
class Horizon:
    """Deadlines of undoable calls that were seen, soonest first."""

    _until: list[int] = field(default_factory=list)

    def note(self, fact: Fact) -> None:
        """A call that ended."""
        changed = fact.state == "applied" and fact.level in UNDOABLE
        if changed and fact.undo_until is not None and len(self._until) < KEPT:
            heapq.heappush(self._until, fact.undo_until)

    def seconds(self, now: int) -> float | None:
        """Until the next call becomes irreversible; None when none has a deadline. `now`: microseconds."""
        while self._until and self._until[0] <= now:
            heapq.heappop(self._until)
        return (self._until[0] - now) / 1e6 if self._until else None
