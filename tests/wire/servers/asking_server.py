"""A sessions tool server as the bridge sees it: its tools push questions through the channel they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.core.model import ClientFacts, Era, JsonObject, Outcome, RpcError
from gateway.core.record import Permit
from gateway.ports import Channel, Outbound
from tests.free import Still

Tool = Callable[[Channel], Coroutine[Any, Any, JsonObject]]
FORM: JsonObject = {
    "mode": "form",
    "message": "Your name?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
}
ASKED_ALL: JsonObject = {"elicitation": {"url": {}}, "sampling": {}, "roots": {}}
AGENT = ClientFacts("2026-07-28", ASKED_ALL, {"name": "agent"})


class AskingServer(Still):
    """Remembers what was forwarded and what was cancelled."""

    def __init__(self, tool: Tool, era: Era | None = Era.SESSIONS) -> None:
        self._tool = tool
        self.era = era
        self.forwarded: list[Outbound] = []
        self.cancelled = asyncio.Event()
        self.ended: list[JsonObject] = []

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        self.forwarded.append(message)
        try:
            result = await self._tool(channel)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        self.ended.append(result)
        if "error" in result:
            error = result["error"]
            return Outcome("rejected", error=RpcError(error["code"], "no", error["data"], True))
        return Outcome("ok", result)

    def describe(self) -> JsonObject:
        return {"era": self.era}


def call(principal: str = "agent:a", client: ClientFacts = AGENT, **params: Any) -> Outbound:
    return Outbound("tools/call", {"name": "t", "arguments": {"x": 1}, **params}, client, principal)


def again(outcome: Outcome, responses: JsonObject, **changes: Any) -> Outbound:
    """The agent's next request: the same with its answers and the state it was given."""
    assert outcome.result is not None
    params = {"inputResponses": responses, "requestState": outcome.result["requestState"]}
    return call(**{**params, **changes})


def said(name: str) -> JsonObject:
    return {"action": "accept", "content": {"name": name}}
