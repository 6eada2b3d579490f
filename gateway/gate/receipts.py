"""What an agent's host is told of the proof of its call: an id by default, the warrant itself when it asks.

A host asks with `"bulkhead/warrant": true` in the request's `_meta`. At a server's own, transparent endpoint
nothing is added unless it asks. It knows no journal and no signature.
"""

from __future__ import annotations

from typing import Final, Protocol

from gateway.core.model import Answer, JsonObject, Request
from gateway.values import replace

OURS: Final = "bulkhead/"
CALL: Final = f"{OURS}call"
WARRANT: Final = f"{OURS}warrant"


class Warrants(Protocol):
    """Where warrants are made."""

    async def of(self, call_id: str) -> JsonObject | None:
        """The warrant of a call that is over; None when it is not to be had now. Never raises."""
        ...


class Receipts:
    """Adds to results. Without `warrants` it gives ids only."""

    def __init__(self, warrants: Warrants | None) -> None:
        self._warrants = warrants

    async def add(self, request: Request, answer: Answer) -> Answer:
        """The answer with what its host may know."""
        if not is_asked(request) or not _is_told(request, answer):
            return with_id(request, answer)
        warrant = await self._warrants.of(answer.call_id) if self._warrants else None
        return _with(answer, {CALL: answer.call_id, WARRANT: warrant})


def is_asked(request: Request) -> bool:
    """Does the host want the warrant itself?"""
    meta = request.params.get("_meta")
    return isinstance(meta, dict) and meta.get(WARRANT) is True


def with_id(request: Request, answer: Answer) -> Answer:
    """The answer with what a host may know that has not asked."""
    if request.endpoint.kind == "server" or not _is_told(request, answer):
        return answer
    return _with(answer, {CALL: answer.call_id})


def _is_told(request: Request, answer: Answer) -> bool:
    """Results that are on their way in pieces stay as they are."""
    is_call = request.method == "tools/call" and answer.call_id != ""
    return is_call and answer.result is not None and not answer.carried


def _with(answer: Answer, ours: JsonObject) -> Answer:
    result: JsonObject = answer.result or {}
    meta = result.get("_meta")
    if isinstance(meta, dict):
        # What a tool server says in our name is not passed on where we speak ourselves.
        ours = {name: said for name, said in meta.items() if not name.startswith(OURS)} | ours
    return replace(answer, result={**result, "_meta": ours})
