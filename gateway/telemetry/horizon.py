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

    irreversible: int = 0
    """Calls that changed something and cannot be undone: never could, or not any more."""
    lasting: int = 0
    """Calls that can be undone without end."""
    _until: list[int] = field(default_factory=list)

    def note(self, fact: Fact) -> None:
        """A call that ended."""
        if fact.state != "applied" or fact.effect == "read" or fact.level == "noop":
            return
        if fact.level not in UNDOABLE:
            self.irreversible += 1
        elif fact.undo_until is None:
            self.lasting += 1
        elif len(self._until) < KEPT:
            heapq.heappush(self._until, fact.undo_until)

    def undoable(self, now: int) -> int:
        """Calls that can still be undone. `now`: microseconds."""
        self.seconds(now)
        return self.lasting + len(self._until)

    def seconds(self, now: int) -> float | None:
        """Until the next call becomes irreversible; None when none has a deadline. `now`: microseconds."""
        while self._until and self._until[0] <= now:
            heapq.heappop(self._until)
            self.irreversible += 1
        return (self._until[0] - now) / 1e6 if self._until else None
