"""The tasks agents have made: which server's, from which call, whose. In memory, bounded, shared with other processes.

What this process has not seen made, or has forgotten, it looks up once where all gateways of one state
directory keep it. What nobody knows any more is nobody's task (closed when in doubt); the tool server
still has it, and the journal says who made it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.core.model import Outcome, Request, Resolved
from gateway.core.resolve import Table
from gateway.core.reverse import Reversal
from gateway.core.tasks import TaskMade, made_by, named, resolve_task
from gateway.ports import Remembered
from gateway.values import as_json, as_plain

MOST: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""Tasks remembered, and what they are with their arguments, as JSON. The oldest is forgotten first."""
KIND: Final = "task"


class Tasks:
    """Looked up by owner and id, so that a server which repeats another's id takes nothing away."""

    def __init__(self, shared: Remembered | None = None, most: int = MOST) -> None:
        self._shared = shared
        self._most = most
        self._made: OrderedDict[tuple[str, str], dict[str, TaskMade]] = OrderedDict()
        self._bytes = 0

    def hear(self, resolved: Resolved, outcome: Outcome, reversal: Reversal | None) -> None:
        """Remember the task a call has made, if it made one (`core.tasks.made_by`)."""
        made = made_by(resolved, outcome, reversal)
        if made is not None:
            self.note(made)

    def note(self, made: TaskMade) -> None:
        """Remember a task. The first to have made it keeps it."""
        self._keep(made)
        if self._shared is not None:
            self._shared.note(KIND, made.owner, {made.task_id: as_plain(made)})

    def _keep(self, made: TaskMade) -> None:
        found = self._made.setdefault((made.owner, made.task_id), {})
        if made.server not in found:
            found[made.server] = made
            self._bytes += _size(made)
        while len(self._made) > self._most or (self._bytes > MOST_BYTES and len(self._made) > 1):
            _, forgotten = self._made.popitem(last=False)
            self._bytes -= sum(map(_size, forgotten.values()))

    async def recall(self, table: Table, request: Request) -> None:
        """Before a request about a task is resolved: what other processes know of it."""
        if self._shared is None:
            return
        owner, task_id = request.identity.owner, request.params.get("taskId")
        if isinstance(task_id, str) and (owner, task_id) not in self._made:
            for fact in await self._shared.find(KIND, owner, task_id):
                self._keep(TaskMade(**fact))

    def resolve(self, table: Table, request: Request) -> Resolved:
        """The tool behind the task a request names (`core.tasks`). Raises `Refused`."""
        owner, task_id = request.identity.owner, named(request)
        made = self.find(owner, task_id, request.endpoint.server)
        return resolve_task(table, request, made)

    def find(self, owner: str, task_id: str, server: str | None) -> TaskMade | None:
        """The owner's task of that id: of that server, or of the only server that made one of this id."""
        found = self._made.get((owner, task_id), {})
        if server is not None:
            return found.get(server)
        return next(iter(found.values())) if len(found) == 1 else None


def _size(made: TaskMade) -> int:
    return len(as_json(made))
