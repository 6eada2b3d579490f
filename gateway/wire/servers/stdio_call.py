"""One call in flight at a stdio server: what arrives for it, in order, until its answer or its limit.

It knows a call's channel to its agent and the server's limits, and nothing of processes. Everything
that comes for the call before the answer is told to the agent before the answer. A slow agent holds up
its own call only: what waits for it is bounded, and notifications beyond that are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

from gateway.core.model import Answer, JsonObject, Outcome, RpcError
from gateway.ports import Channel
from gateway.settings import ServerLimits
from gateway.wire.servers.envelope import INTERNAL_ERROR

log = logging.getLogger("bulkhead.stdio")

MAX_WAITING: Final = 8 * 1024 * 1024
"""Bytes of notifications and questions waiting for one agent."""

Reply = Callable[[JsonObject], None]
"""Takes the rest of a JSON-RPC response (`result` or `error`) to a question of the server."""


class LimitReached(Exception):
    """The server was too slow. The message names the limit."""


class InFlight:
    """One forwarded call."""

    def __init__(self, call_id: str, token: str | int | None, channel: Channel) -> None:
        self.call_id = call_id
        self.token = token
        """The agent's own progress token; on the wire stands the request id."""
        self.sent = False
        self._channel = channel
        self._waiting: deque[tuple[str, JsonObject, Reply | None, int]] = deque()
        self._bytes = 0
        self._outcome: Outcome | None = None
        self._news = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()

    def tell(self, method: str, params: JsonObject, size: int) -> None:
        """Something for the agent, before the answer. `size`: its bytes on the wire."""
        if self._has_room(size):
            self._arrived(method, params, None, size)

    def ask(self, method: str, params: JsonObject, size: int, reply: Reply) -> bool:
        """A question for the agent; `reply` gets its answer. False if too much waits already."""
        if not self._has_room(size):
            return False
        self._arrived(method, params, reply, size)
        return True

    def answer(self, outcome: Outcome) -> None:
        """The end of the call. Only the first counts."""
        if self._outcome is None:
            self._outcome = outcome
            self._news.set()

    async def outcome(self, limits: ServerLimits) -> Outcome:
        """Relay what comes until the answer. Raises `LimitReached`."""
        end = time.monotonic() + limits.total
        within: Literal["first_byte", "idle"] = "first_byte"
        try:
            while True:
                await self._arrival(within, limits, end)
                within = "idle"
                while self._waiting:
                    await self._relay(*self._waiting.popleft(), end)
                if self._outcome is not None:
                    return self._outcome
        finally:
            for task in self._asking:
                task.cancel()

    async def _arrival(
        self, within: Literal["first_byte", "idle"], limits: ServerLimits, end: float
    ) -> None:
        """Wait for news. While a person is being asked something, only the total limit counts."""
        allowed = limits.first_byte if within == "first_byte" else limits.idle
        left = end - time.monotonic()
        total = bool(self._asking) or left < allowed
        try:
            async with asyncio.timeout(max(0.0, left) if total else allowed):
                await self._news.wait()
        except TimeoutError:
            name, seconds = ("total", limits.total) if total else (within, allowed)
            raise LimitReached(f"no answer within limits.{name} ({seconds:g} s)") from None
        self._news.clear()

    async def _relay(
        self, method: str, params: JsonObject, reply: Reply | None, size: int, end: float
    ) -> None:
        self._bytes -= size
        if reply is None:
            await self._notify(method, params, end)
            return
        task = asyncio.create_task(self._question(method, params, reply))
        self._asking.add(task)
        task.add_done_callback(self._asked)

    async def _notify(self, method: str, params: JsonObject, end: float) -> None:
        """An agent that does not read loses notifications, never the answer."""
        try:
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                await self._channel.notify(method, params)
        except Exception as error:
            log.info("call %s: %s not told to the agent: %r", self.call_id, method, error)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._news.set()

    async def _question(self, method: str, params: JsonObject, reply: Reply) -> None:
        try:
            answer = await self._channel.ask(method, params)
        except Exception:
            log.exception("call %s: the agent could not be asked %s", self.call_id, method)
            answer = Answer(error=RpcError(INTERNAL_ERROR, "The agent could not be asked"))
        if answer.error is not None:
            reply({"error": answer.error.as_json()})
        else:
            reply({"result": answer.result or {}})

    def _has_room(self, size: int) -> bool:
        return self._outcome is None and self._bytes + size <= MAX_WAITING

    def _arrived(self, method: str, params: JsonObject, reply: Reply | None, size: int) -> None:
        self._waiting.append((method, params, reply, size))
        self._bytes += size
        self._news.set()
