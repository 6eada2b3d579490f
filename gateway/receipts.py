"""What an agent's host is told of the proof of its call: an id by default, the warrant itself when it asks.

A host asks with `"bulkhead/warrant": true` in the request's `_meta`. At a server's own, transparent endpoint
nothing is added unless it asks. It knows no journal and no signature.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

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
        """The answer with what its host may know. Results that are on their way in pieces stay as they are."""
        result = answer.result
        if request.method != "tools/call" or result is None or answer.carried or not answer.call_id:
            return answer
        is_asked = _meta(request.params).get(WARRANT) is True
        if request.endpoint.kind == "server" and not is_asked:
            return answer
        # What a tool server says in our name is not passed on where we speak ourselves.
        told = {name: said for name, said in _meta(result).items() if not name.startswith(OURS)}
        told[CALL] = answer.call_id
        if is_asked:
            told[WARRANT] = await self._warrants.of(answer.call_id) if self._warrants else None
        return replace(answer, result={**result, "_meta": told})


def _meta(holder: JsonObject) -> dict[str, Any]:
    meta = holder.get("_meta")
    return meta if isinstance(meta, dict) else {}
