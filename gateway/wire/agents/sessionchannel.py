"""The way back to a session's agent while one of its requests is in work: on that request's own stream."""

from __future__ import annotations

import asyncio
from typing import Protocol

from gateway.core.model import Answer, JsonObject
from gateway.ports import Outlet
from gateway.sdk import is_version_at_least
from gateway.wire import loglevels
from gateway.wire.agents.messages import notification_body, request_body
from gateway.wire.agents.session import Session
from gateway.wire.asking import cannot_ask, undeclared


class Sink(Protocol):
    """Where messages for the agent go while one request of its is in work."""

    async def append(self, body: bytes) -> bool:
        """One message; waits for room. False when it could not be kept."""
        ...

    def put(self, body: bytes) -> bool:
        """One message, without waiting."""
        ...

    def pause(self) -> None:
        """Send the reader away, to come back."""
        ...


class SessionChannel:
    """Notifications and questions, in order, before the answer."""

    def __init__(self, session: Session, sink: Sink, outlet: Outlet | None = None) -> None:
        self.outlet = outlet
        self._session = session
        self._sink = sink

    async def notify(self, method: str, params: JsonObject) -> None:
        """On the request's stream, unless the session's log level is above it."""
        if loglevels.heard(method, params, self._session.log_floor):
            await self._sink.append(notification_body(method, params))

    def pause(self) -> None:
        """The server has hung up, to be come back to: the agent is sent away likewise, if its version knows
        how to come back (2025-11-25 basic/transports)."""
        if is_version_at_least(self._session.client.protocol_version, "2025-11-25"):
            self._sink.pause()

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """The client's own answer, whatever it is. If we stop waiting, the client is told."""
        missing = undeclared(method, self._session.client.capabilities)
        if missing is not None:
            return cannot_ask(f"{method}: the agent's client did not declare {missing}")
        id = self._session.next_ask()
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._session.asked[id] = waiting
        try:
            if not await self._sink.append(request_body(id, method, params)):
                return cannot_ask(f"{method}: the agent's client is gone")
            return await waiting
        except asyncio.CancelledError:
            self._sink.put(notification_body("notifications/cancelled", {"requestId": id}))
            raise
        finally:
            self._session.asked.pop(id, None)
