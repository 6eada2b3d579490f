"""How many requests are in work: over all agents, and of each. One agent never has the last quarter."""

from __future__ import annotations

from gateway.wire.agents.answering import overloaded
from gateway.wire.agents.session import Owner


class InWork:
    """Counts; only ever touched from the event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_each = most - most // 4
        self._all = 0
        self._each: dict[Owner, int] = {}

    def enter(self, owner: Owner) -> None:
        """One more. Raises `Rejected` (503) when there are too many, or too many of this owner's."""
        each = self._each.get(owner, 0)
        if self._all >= self._most or each >= self._most_each:
            raise overloaded()
        self._all += 1
        self._each[owner] = each + 1

    def leave(self, owner: Owner) -> None:
        """One less."""
        self._all -= 1
        each = self._each.pop(owner) - 1
        if each:
            self._each[owner] = each
