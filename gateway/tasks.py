"""The tasks this gateway has seen made: which server's, from which call, whose. In memory, bounded.

It does not survive a restart: afterwards a task's owner is not known, so nobody reaches it (closed when
in doubt); the tool server still has it, and the journal says who made it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.core.tasks import TaskMade

MOST: Final = 10_000
"""Tasks remembered. The oldest is forgotten first."""


class Tasks:
    """Looked up by owner and id, so that a server which repeats another's id takes nothing away."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._made: OrderedDict[tuple[str, str], dict[str, TaskMade]] = OrderedDict()

    def note(self, made: TaskMade) -> None:
        """Remember a task. The first to have made it keeps it."""
        found = self._made.setdefault((made.owner, made.task_id), {})
        found.setdefault(made.server, made)
        while len(self._made) > self._most:
            self._made.popitem(last=False)

    def find(self, owner: str, task_id: str, server: str | None) -> TaskMade | None:
        """The owner's task of that id: of that server, or of the only server that made one of this id."""
        found = self._made.get((owner, task_id), {})
        if server is not None:
            return found.get(server)
        return next(iter(found.values())) if len(found) == 1 else None
