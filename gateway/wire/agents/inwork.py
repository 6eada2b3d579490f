"""How many requests are in work: over all agents, and of each. One agent never has the last quarter."""

from __future__ import annotations

from collections import Counter

from gateway.wire.agents.answering import overloaded
from gateway.wire.agents.session import Owner


class InWork:
    """Counts; only ever touched from the event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_each = most - most // 4
        self._all = 0
        self._each: Counter[Owner] = Counter()

    def enter(self, owner: Owner) -> None:
        """One more. Raises `Rejected` (503) when there are too many, or too many of this owner's."""
        if self._all >= self._most or self._each[owner] >= self._most_each:
            raise overloaded()
        self._all += 1
        self._each[owner] += 1

    def leave(self, owner: Owner) -> None:
        """One less."""
        self._all -= 1
        self._each[owner] -= 1
        if not self._each[owner]:
            del self._each[owner]
