"""Whether an endpoint shows a caller the tool it calls, by the caller's own `tools/list`.

Asked only where a refusal of the wire's own would otherwise say that a hidden tool exists.
"""

from __future__ import annotations

from typing import Final

from gateway.core.model import JsonObject, Request
from gateway.nobody import NOBODY
from gateway.ports import Gate
from gateway.values import replace
from gateway.wire.agents.answering import ask_gate

MAX_PAGES: Final = 100


async def advertises(gate: Gate, call: Request) -> bool:
    """Whether the tool a `tools/call` names is on some page of this caller's list."""
    name, cursor = call.params.get("name"), None
    for _ in range(MAX_PAGES):
        params: JsonObject = {"_meta": call.params.get("_meta", {})}
        if cursor is not None:
            params["cursor"] = cursor
        asked = replace(call, method="tools/list", params=params, frame=None)
        page = (await ask_gate(gate, asked, NOBODY)).result or {}
        if any(tool.get("name") == name for tool in page.get("tools", ())):
            return True
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str):
            return False
    return False
