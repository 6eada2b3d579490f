"""The gateway's side in tests of tool servers: permits, messages, and a channel that remembers."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from gateway.core.model import Answer, ClientFacts, Effect, JsonObject, Outcome, RpcError
from gateway.core.record import Permit, Queued, State, permit
from gateway.ports import Outbound, ToolServer

STDIO_SERVER = str(Path(__file__).with_name("stdio_server.py"))
HTTP_SERVER = str(Path(__file__).with_name("http_server.py"))
AGENT = ClientFacts(
    "2026-07-28", {"elicitation": {"form": {}}}, {"name": "agent", "version": "1", "acme": 1}
)
_numbers = itertools.count(1)


def command(*options: str) -> tuple[str, ...]:
    """The test tool server over stdio."""
    return (sys.executable, "-S", STDIO_SERVER, *options)


def command_of(process: psutil.Process) -> list[str]:
    """Nothing of one that has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def leave(call_id: str | None = None) -> Permit:
    """A permit for one read."""
    queued = Queued(call_id or f"call-{next(_numbers)}", State.INTENT)
    return permit(queued, Effect.READ)


def tool(name: str, token: str | int | None = None, **arguments: Any) -> Outbound:
    """A tools/call as an agent's wire would make it."""
    params: JsonObject = {"name": name, "arguments": arguments}
    if token is not None:
        params["_meta"] = {"progressToken": token, "traceparent": "00-ab-cd-01"}
    return Outbound("tools/call", params, AGENT, "agent:a")


async def call(
    server: ToolServer, name: str, channel: Remembers | None = None, **arguments: Any
) -> Outcome:
    """One tool call to its end."""
    return await server.call(leave(), tool(name, **arguments), channel or Remembers())


async def seen(server: ToolServer, method: str) -> list[JsonObject]:
    """The messages with this method that reached the server."""
    outcome = await call(server, "seen")
    assert outcome.result is not None
    return [message for message in outcome.result["seen"] if message["method"] == method]


class Remembers:
    """A `ports.Channel` that keeps what the agent would have been told, and answers as told."""

    def __init__(self, says: Callable[[str, JsonObject], Awaitable[Answer]] | None = None) -> None:
        self.told: list[tuple[str, JsonObject]] = []
        self.asked: list[tuple[str, JsonObject]] = []
        self._says = says

    async def notify(self, method: str, params: JsonObject) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: JsonObject) -> Answer:
        self.asked.append((method, params))
        if self._says is None:
            return Answer(error=RpcError(-32601, "Method not found"))
        return await self._says(method, params)
