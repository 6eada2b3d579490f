"""What a tool server may ask an agent's client, and what the client must have declared for it. Pure.

Source: MCP 2025-11-25 client/*, 2026-07-28 patterns/mrtr.
"""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.core.model import Answer, JsonObject, RpcError
from gateway.core.settle import METHOD_NOT_FOUND

NEEDED: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
"""Question -> the capability a client must have declared to be asked it."""
_ASKING: Final = frozenset(NEEDED.values())
ACTIONS: Final = frozenset({"accept", "decline", "cancel"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9_]{1,32}")


def can_be_asked(capabilities: JsonObject) -> bool:
    """Whether a client declared that it answers any question."""
    return not _ASKING.isdisjoint(capabilities)


def undeclared(method: str, capabilities: JsonObject) -> str | None:
    """What a question needs and the client did not declare; None if it may be asked.

    A method that is no question of the protocol's needs what nobody declares: a tool server has no
    business with whatever else an agent's client can do.
    """
    needed = NEEDED.get(method)
    if needed is None:
        return "such a method"
    return needed if capabilities.get(needed) is None else None


def cannot_ask(why: str) -> Answer:
    """What a question gets when the agent's client cannot be asked."""
    return Answer(error=RpcError(METHOD_NOT_FOUND, why))


def key(method: str, params: JsonObject) -> str:
    """A name for a pushed question, which has none of its own: who answers, and what.

    `user_<property>` for a form with one field, `user_input` for another, `model_message`,
    `client_roots`. The protocol leaves the choice free; these are the words its examples use.
    """
    if method == "roots/list":
        return "client_roots"
    if method == "sampling/createMessage":
        return "model_message"
    schema = params.get("requestedSchema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    [field] = fields if isinstance(fields, dict) and len(fields) == 1 else ["input"]
    return f"user_{field}" if _PLAIN.fullmatch(field) else "user_input"


def answers(method: str, given: Any) -> bool:
    """Whether a value can be the answer to a question: what its result type cannot be without."""
    if not isinstance(given, dict):
        return False
    match method:
        case "elicitation/create":
            return given.get("action") in ACTIONS
        case "sampling/createMessage":
            return isinstance(given.get("role"), str) and "content" in given
        case "roots/list":
            return isinstance(given.get("roots"), list)
    return False
