"""Tasks (extension `io.modelcontextprotocol/tasks`): whose they are, and what a later word about one is decided as.

A `tasks/get`, `tasks/update` or `tasks/cancel` is decided as the call that made the task, with that
call's arguments, and by nobody but the agent that made it. To everybody else the task does not exist.
Spec: ext-tasks, `CreateTaskResult`. Pure: it is told which task is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.lookalikes import refuse_look_alikes
from gateway.core.model import (
    Era,
    JsonObject,
    Outcome,
    Request,
    Resolved,
    Target,
)
from gateway.core.resolve import Table
from gateway.core.reverse import Reversal
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import Value, replace

EXTENSION: Final = "io.modelcontextprotocol/tasks"
MAX_TASK_ID: Final = 1024
ENDS: Final = frozenset({"completed", "failed", "cancelled"})
_METHODS: Final[Mapping[Era, frozenset[str]]] = {
    Era.STATELESS: frozenset({"tasks/get", "tasks/update", "tasks/cancel"}),
    # The core's own tasks of 2025-11-25, an experiment of that revision.
    Era.SESSIONS: frozenset({"tasks/get", "tasks/result", "tasks/cancel"}),
}


class TaskMade(Value):
    """One task of one tool server, and the call it came from."""

    server: str
    task_id: str
    tool: str
    owner: str
    """`WorkloadIdentity.owner` of the agent that called."""
    arguments: JsonObject
    level: str = ""
    guard: str = ""
    """How far that call could be undone; empty: it was a read, or that was not known."""


def is_about_a_task(request: Request) -> bool:
    """Whether a request names a task made earlier."""
    return request.method in _METHODS[request.era]


def brings_more(request: Request) -> bool:
    """Does a word about a task say anything but which task: answers to what its tool asked? Leave that a person
    gave for the call that made the task is none for that."""
    return is_about_a_task(request) and not request.params.keys() <= {"taskId", "_meta"}


def named(request: Request) -> str:
    """The task a request names. Raises `Refused`: missing_capability, malformed.

    A stateless client that did not declare the extension on this very request is told so before
    anything is looked up.
    """
    if request.era is Era.STATELESS and not declared(request):
        raise Refused(Reason.MISSING_CAPABILITY, f"{EXTENSION} is not declared")
    task_id = request.params.get("taskId")
    if not isinstance(task_id, str) or not 0 < len(task_id) <= MAX_TASK_ID:
        raise Refused(Reason.MALFORMED, "params.taskId must be a non-empty string")
    return task_id


def declared(request: Request) -> bool:
    """Whether the client of this request knows tasks."""
    extensions = request.client.capabilities.get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


def resolve_task(table: Table, request: Request, made: TaskMade | None) -> Resolved:
    """The tool behind the task a request names. Raises `Refused`: unknown_target, quarantined, malformed."""
    refuse_look_alikes(request)
    endpoint = request.endpoint
    mine = made is not None and made.owner == request.identity.owner
    if made is None or not mine or endpoint.server not in (None, made.server):
        raise Refused(Reason.UNKNOWN_TARGET, "no such task of this agent")
    shelf = table.servers.get(made.server)
    entry = shelf.tools.get(made.tool) if shelf else None
    if entry is None:
        why = shelf.withheld.get(("tool", made.tool)) if shelf else None
        raise Refused(Reason.QUARANTINED, why or f"{made.tool} is no longer offered")
    target = Target(made.server, "tool", made.tool)
    level = (made.level, made.guard) if made.level else None
    return Resolved(request, target, entry, request.params, made.arguments, level)


def made_by(resolved: Resolved, outcome: Outcome, reversal: Reversal | None) -> TaskMade | None:
    """The task a forwarded call has made; None if it made none. `reversal`: how a write would be undone."""
    task_id = None if outcome.result is None else task_id_of(outcome.result)
    if task_id is None or outcome.kind != "ok" or resolved.request.method != "tools/call":
        return None
    owner = resolved.request.identity.owner
    made = TaskMade(
        resolved.target.server, task_id, resolved.target.name, owner, resolved.arguments
    )
    return made if reversal is None else replace(made, level=reversal.level, guard=reversal.guard)


def finished(resolved: Resolved, outcome: Outcome) -> JsonObject:
    """What the journal keeps of an answer about a task that says how it has ended: `{"task": id, "status": ...}`."""
    request, result = resolved.request, outcome.result
    if outcome.kind not in ("ok", "tool_error") or result is None:
        return {}
    # 2025-11-25 asks for the result itself, with a request of its own that waits for the end.
    status = "completed" if request.method == "tasks/result" else result.get("status")
    ended = isinstance(status, str) and status in ENDS
    return {"task": request.params["taskId"], "status": status} if ended else {}


def task_id_of(result: JsonObject) -> str | None:
    """The id in a `CreateTaskResult`: flat in the extension, under `task` in 2025-11-25."""
    made: Any = None
    if "resultType" not in result:
        made = result.get("task")
    elif result["resultType"] == "task":
        made = result
    if not isinstance(made, dict):
        return None
    found = made.get("taskId")
    return found if isinstance(found, str) and 0 < len(found) <= MAX_TASK_ID else None
