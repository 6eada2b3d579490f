"""Step 15: what an agent is told. Pure: from a refusal or an outcome to an `Answer`.

Unknown, hidden, quarantined and denied give the same code, the same shape and the same words. The
rule, the file and the line stay with the operator; the agent gets a reason code and the call's id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.model import Answer, JsonObject, Outcome, Request, RpcError
from gateway.core.resolve import NAMED
from gateway.core.tasks import EXTENSION, is_about_a_task, task_id_of
from gateway.errors import Refused
from gateway.reasons import Reason, told

INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
MISSING_CAPABILITY: Final = -32021

APPROVALS: Final[dict[Reason, tuple[int, str]]] = {
    Reason.APPROVAL_NEEDED: (
        1008,
        "An operator must allow this very call; nothing was done. Ask again once it is allowed",
    ),
    Reason.APPROVAL_DENIED: (1009, "An operator said no to this very call; nothing was done"),
}
"""Reason -> JSON-RPC code, message."""

GATEWAY_ERRORS: Final[dict[Reason, tuple[int, int, str]]] = {
    Reason.JOURNAL_UNAVAILABLE: (
        1001,
        503,
        "The gateway cannot write its journal; nothing was done",
    ),
    Reason.SERVER_UNAVAILABLE: (1002, 502, "The tool server cannot be reached; nothing was done"),
    Reason.OUTCOME_UNKNOWN: (1003, 504, "Forwarded, but what came of it is not known"),
    Reason.OVERLOADED: (
        1004,
        503,
        "Too much at once, at work or waiting for an operator; nothing was done. Try later",
    ),
    Reason.NOT_REVERSIBLE: (
        1007,
        403,
        "This call could not be undone as far as it must be; nothing was done",
    ),
    Reason.FENCED: (1010, 403, "Stopped by an operator"),
    Reason.GRANT_NEEDED: (1011, 403, "This needs a grant, and the task has none; nothing was done"),
    Reason.OUTSIDE_GRANT: (1012, 403, "The task's grant does not cover this; nothing was done"),
    Reason.GRANT_OVER: (1013, 403, "The task's grant is over; nothing was done"),
    Reason.GRANT_SPENT: (1014, 403, "Too little is left of the task's grant; nothing was done"),
    Reason.FLOW: (
        1015,
        403,
        "What was read in this task may not leave by this call; nothing was done",
    ),
    Reason.CREDENTIAL_UNAVAILABLE: (
        1016,
        502,
        "The gateway has no credential for the tool server; nothing was done",
    ),
    Reason.INTERNAL: (1005, 500, "The gateway failed; nothing was done"),
}
"""Reason -> JSON-RPC code, HTTP status (stateless era), message.

Codes of our own lie outside the range JSON-RPC reserves (-32768 to -32000), as MCP asks."""

CUT_OFF: Final = Outcome("in_doubt", detail="cut off by a fence while it was under way")

NAMES: Final = {method: member for method, (_, member) in NAMED.items()}


def refused(request: Request, no: Refused, call_id: str, shaped: bool = False) -> Answer:
    """The answer to a refused call. `no.detail` reaches the agent only where it is about its own words. `shaped`: is it
    of a tool with an `outputSchema`?"""
    heard = told(no.reason)
    if heard is Reason.NOT_AVAILABLE or heard is Reason.UNSUPPORTED:
        return _not_available(request, call_id)
    if heard is Reason.INVALID_ARGUMENTS:
        return _invalid(request, no.detail, call_id)
    if heard in APPROVALS:
        return _approval(request, heard, no.ticket, call_id, shaped)
    if heard is Reason.MISSING_CAPABILITY:
        return _missing_capability(call_id)
    if heard in GATEWAY_ERRORS:
        code, status, message = GATEWAY_ERRORS[heard]
        return _error(code, message, heard, call_id, status)
    return _error(INVALID_PARAMS, no.detail or "Invalid params", heard, call_id, 400)


def _not_available(request: Request, call_id: str) -> Answer:
    # A method about tasks is known in its own era only.
    member = "taskId" if is_about_a_task(request) else NAMES.get(request.method)
    if member is None and request.method != "completion/complete":
        return _error(METHOD_NOT_FOUND, "Method not found", Reason.NOT_AVAILABLE, call_id, 404)
    extra: JsonObject = {}
    if member == "uri":
        extra["uri"] = request.params.get("uri")
    name = request.params.get(member) if member else "completion"
    return _error(
        INVALID_PARAMS, f"Not available: {name}", Reason.NOT_AVAILABLE, call_id, 400, extra
    )


def _approval(request: Request, reason: Reason, ticket: str, call_id: str, shaped: bool) -> Answer:
    """For a tool, a result the model can read: it is to wait, and for what.

    A tool's promise binds its errors too: clients throw away a result whose structured content is not of its
    `outputSchema`, and the words with it."""
    code, message = APPROVALS[reason]
    if request.method != "tools/call":
        return _error(code, message, reason, call_id, 403, {"ticket": ticket})
    text = f"{message}. Ticket {ticket} [{reason}, call {call_id}]"
    said = {"status": str(reason), "ticket": ticket, "call_id": call_id}
    result: JsonObject = {"content": [{"type": "text", "text": text}], "isError": True}
    if not shaped:
        result["structuredContent"] = said
    return Answer(result, ticket=ticket if reason is Reason.APPROVAL_NEEDED else "")


def _missing_capability(call_id: str) -> Answer:
    """2026-07-28's own code: the client did not declare the tasks extension on this request."""
    needed: JsonObject = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
    message = "The client has not declared the tasks extension"
    return _error(MISSING_CAPABILITY, message, Reason.MISSING_CAPABILITY, call_id, 400, needed)


def _invalid(request: Request, detail: str, call_id: str) -> Answer:
    """A tool's input problem is a tool result the model can learn from (MCP 2026-07-28, server/tools)."""
    if request.method != "tools/call":
        return _error(INVALID_PARAMS, detail, Reason.INVALID_ARGUMENTS, call_id, 400)
    text = f"Invalid arguments: {detail} [{Reason.INVALID_ARGUMENTS}, call {call_id}]"
    return Answer(result={"content": [{"type": "text", "text": text}], "isError": True})


def _error(
    code: int,
    message: str,
    reason: Reason,
    call_id: str,
    status: int,
    extra: JsonObject | None = None,
) -> Answer:
    data = {**(extra or {}), "reason": str(reason), "call": call_id}
    return Answer(error=RpcError(code, message, data, has_data=True), http_status=status)


def not_forwarded(server: str, reason: Reason, why: str) -> Outcome:
    """Nothing reached the server. An error of our own that names it; `why` stays with the operator.

    `reason`: server_unavailable, overloaded or credential_unavailable."""
    code, _, message = GATEWAY_ERRORS[reason]
    error = RpcError(code, message, {"reason": str(reason), "server": server}, has_data=True)
    return Outcome("rejected", error=error, detail=f"tool server {server}: {why}")


def _kept_back(error: RpcError, call_id: str) -> Answer:
    """What `not_forwarded` says, with the call it is about: nothing of it is the server's."""
    reason = Reason(error.data["reason"])
    extra: JsonObject = {"server": error.data["server"]}
    return _error(error.code, error.message, reason, call_id, GATEWAY_ERRORS[reason][1], extra)


def _kept(text: str, protect_text: Callable[[str], str]) -> str:
    """Its beginning. What begins a secret there is looked at to the secret's end."""
    return protect_text(text[:4_000])[:500]


def outcome_body(outcome: Outcome, protect_text: Callable[[str], str]) -> JsonObject:
    """What the journal keeps of an outcome: its kind's facts, never the result itself."""
    said: JsonObject = {}
    result = outcome.result
    if outcome.error is not None:
        said["code"] = outcome.error.code
        said["message"] = _kept(outcome.error.message, protect_text)
        if outcome.detail:
            said["detail"] = _kept(outcome.detail, protect_text)
    elif outcome.kind == "in_doubt":
        said["detail"] = _kept(outcome.detail, protect_text)
    elif result and result.get("resultType") != "complete":
        task_id = task_id_of(result)
        if task_id is not None:
            said["task"] = task_id
        elif result.get("resultType") == "input_required":
            # Not its end: the server waits for answers, which come with a call of its own.
            said["asked"] = True
    if outcome.credential:
        said["credential"] = outcome.credential
    return said


def answered(request: Request, outcome: Outcome, call_id: str) -> Answer:
    """The answer to a forwarded call: the tool server's own words, verbatim, or "not known"."""
    match outcome.kind:
        case "ok" | "tool_error":
            return Answer(result=outcome.result, carried=outcome.carried, call_id=call_id)
        case "rejected" if outcome.detail and outcome.error is not None:
            return _kept_back(outcome.error, call_id)
        case "rejected":
            return Answer(error=outcome.error)
        case "in_doubt":
            return refused(request, Refused(Reason.OUTCOME_UNKNOWN, outcome.detail), call_id)
