"""A call that waits for a person, put as a link to visit: for clients of 2026-07-28 that can show one. Pure.

URL elicitation (MCP 2026-07-28, client/elicitation) is a notice here and never the leave: what the client
answers proves nothing and is dropped. The same call comes again, and the ticket says whether it may go.
"""

from __future__ import annotations

from typing import Final

from gateway.core.model import Answer, Era, JsonObject, Request
from gateway.values import replace

MARK: Final = "bulkhead-ticket."
"""In front of a `requestState` that is of this file's making. It is believed in nothing."""


def returned(request: Request) -> Request:
    """The call as it was before it was told to wait: another, where it comes again after that."""
    state = request.params.get("requestState")
    if not (isinstance(state, str) and state.startswith(MARK)):
        return request
    ours = ("requestState", "inputResponses")
    params = {name: value for name, value in request.params.items() if name not in ours}
    return replace(request, params=params, frame=None)


def invited(request: Request, answer: Answer, origin: str) -> Answer:
    """The same answer; as a link, where a call waits for the first time and its client can show one."""
    if not answer.ticket or request.era is not Era.STATELESS or not shows_links(request):
        return answer
    visit: JsonObject = {
        "mode": "url",
        "message": "An operator must allow this very call; nothing was done yet.",
        "url": f"{origin}/approvals/{answer.ticket}",
    }
    question = {"method": "elicitation/create", "params": visit}
    asked: JsonObject = {"resultType": "input_required", "inputRequests": {"approval": question}}
    return replace(answer, result={**asked, "requestState": MARK + answer.ticket})


def shows_links(request: Request) -> bool:
    """Has the client said so, and is there no question under way that is another's?"""
    elicitation = request.client.capabilities.get("elicitation")
    busy = {"requestState", "inputResponses"} & request.params.keys()
    return request.method == "tools/call" and not busy and "url" in _object(elicitation)


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
