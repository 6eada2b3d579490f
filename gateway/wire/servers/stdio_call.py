"""One call in flight at a stdio server: what arrives for it, in order, until its answer or its limit.

It knows a call's channel to its agent and its limits, and nothing of processes. Everything
that comes for the call before the answer is told to the agent before the answer. A slow agent holds up
its own call only: what waits for it is bounded, and notifications beyond that are dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.core.doubles import rounds
from gateway.core.model import Answer, JsonObject, Outcome, RpcError
from gateway.ports import Channel
from gateway.values import replace
from gateway.wire.servers.envelope import INTERNAL_ERROR
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import FOREVER, Vigil

log = logging.getLogger("bulkhead.stdio")

MAX_WAITING: Final = 8 * 1024 * 1024
"""Bytes of notifications and questions waiting for one agent."""

Reply = Callable[[JsonObject], None]
"""Takes the rest of a JSON-RPC response (`result` or `error`) to a question of the server."""


class LimitReached(Exception):
    """The server was too slow. The message names the limit."""


class InFlight:
    """One forwarded call."""

    sent = False
    exact = False
    """Whether a number was rounded is asked."""
    _bytes = 0
    _outcome: Outcome | None = None
    _heard = False
    """Something has come for it."""
    _news: asyncio.Future[None] | None = None
    """While nothing is there to be told, and it is waited for."""
    _since = 0.0
    """From when."""
    _late = ""
    """What was passed of its limits, if anything."""

    def __init__(
        self,
        call_id: str,
        token: str | int | None,
        channel: Channel,
        patience: Patience,
        vigil: Vigil,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`vigil`: has it looked at until it is over."""
        self.call_id = call_id
        self.token = token
        """The agent's own progress token; on the wire stands the request id."""
        self._channel = channel
        self._patience = patience
        self._vigil = vigil
        self._loop = loop
        self._waiting: deque[tuple[str, JsonObject, Reply | None, int]] = deque()
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def answered(self) -> bool:
        """It has had its answer: what comes now is no part of it."""
        return self._outcome is not None

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

    def answer(self, outcome: Outcome, line: bytes = b"") -> None:
        """The end of the call, and as it was written. Only the first counts."""
        if self._outcome is None:
            if self.exact and rounds(line):
                outcome = replace(outcome, rounded=True)
            self._outcome = outcome
            self._wake()

    async def outcome(self) -> Outcome:
        """Relay what comes until the answer. Raises `LimitReached`."""
        try:
            while True:
                while self._waiting:
                    await self._relay(*self._waiting.popleft())
                if self._outcome is not None:
                    return self._outcome
                if self._late:
                    raise LimitReached(self._late)
                await self._arrival()
        finally:
            for task in self._asking:
                task.cancel()

    def _arrival(self) -> asyncio.Future[None]:
        """To be waited for. It comes in time, if only to say that it is late."""
        self._news, self._since = self._loop.create_future(), self._loop.time()
        self._vigil.expect(self._patience.due(self._since, self._heard))
        return self._news

    def look(self, now: float) -> float:
        """See `vigil.Awaited`. While a person is being asked something, only the total limit counts."""
        if self._news is None:
            return FOREVER
        since = now if self._asking else self._since
        self._late = self._patience.late(now, since, self._heard)
        if self._late:
            self._wake()
            return FOREVER
        return self._patience.due(since, self._heard)

    def _wake(self) -> None:
        self._heard = True
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    async def _relay(self, method: str, params: JsonObject, reply: Reply | None, size: int) -> None:
        self._bytes -= size
        if reply is None:
            await self._notify(method, params)
            return
        task = asyncio.create_task(self._question(method, params, reply))
        self._asking.add(task)
        task.add_done_callback(self._asked)

    async def _notify(self, method: str, params: JsonObject) -> None:
        """An agent that does not read loses notifications, never the answer."""
        try:
            async with asyncio.timeout_at(self._patience.deadline):
                await self._channel.notify(method, params)
        except Exception as error:
            log.info("call %s: %s not told to the agent: %r", self.call_id, method, error)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._wake()

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
        self._wake()
