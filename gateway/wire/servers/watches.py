"""What agents watch at one tool server: counted, asked for once, told to whoever listens.

It knows who watches what; how a server of either era is asked stands in listens.py and subscribes.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import Era, JsonObject, Outcome, RpcError
from gateway.nobody import NOBODY
from gateway.ports import Channel, ServerUnavailable, Updated, Watch
from gateway.wire.servers.watching import not_told, without_listen

log = logging.getLogger("bulkhead.watches")


class Backend(Protocol):
    """One server's way of being asked."""

    async def add(self, watch: Watch, channel: Channel) -> RpcError | None:
        """Have it tell of this; its error when it will not. `channel`: whom it may ask something about it."""
        ...

    def drop(self, watch: Watch) -> None:
        """Nobody wants to hear of this any more."""
        ...


class EitherEra:
    """The backend of a server whose era is found out when it is first asked."""

    def __init__(
        self, era: Callable[[], Awaitable[Era]], stateless: Backend, sessions: Backend
    ) -> None:
        self._era = era
        self._stateless = stateless
        self._sessions = sessions

    async def add(self, watch: Watch, channel: Channel) -> RpcError | None:
        """See `Backend`."""
        backend = self._stateless if await self._era() is Era.STATELESS else self._sessions
        return await backend.add(watch, channel)

    def drop(self, watch: Watch) -> None:
        """See `Backend`. One that does not know it does nothing."""
        self._stateless.drop(watch)
        self._sessions.drop(watch)


@dataclass(slots=True)
class _Held:
    asked: asyncio.Task[RpcError | None]
    count: int = 0


class Watches:
    """`ports.Watched` over a backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._held: dict[Watch, _Held] = {}
        self._told: list[Updated] = []
        self.hears = True
        """What the server says of them is heard now."""

    @property
    def are_any(self) -> bool:
        """Does anybody watch anything?"""
        return bool(self._held)

    async def acquire(self, watch: Watch, channel: Channel = NOBODY) -> RpcError | None:
        """See `ports.Watched`. `channel`: the agent's, who may be asked something if it is the first."""
        held = self._held.get(watch)
        if held is None:
            held = self._held[watch] = _Held(asyncio.ensure_future(self._ask(watch, channel)))
        held.count += 1
        try:
            error = await asyncio.shield(held.asked)
        except asyncio.CancelledError:
            self._leave(watch, held)
            raise
        if error is not None:
            self._leave(watch, held)
        return error

    async def _ask(self, watch: Watch, channel: Channel) -> RpcError | None:
        try:
            return await self._backend.add(watch, channel)
        except ServerUnavailable as error:
            return error.error or not_told(str(error))
        except Exception as bug:
            log.exception("watching failed")
            return not_told(type(bug).__name__)

    async def subscribed(self, params: JsonObject, channel: Channel) -> Outcome:
        """The outcome of a decided and recorded `resources/subscribe`."""
        error = await self.acquire(("resource", str(params.get("uri"))), channel)
        return Outcome("ok", result={}) if error is None else Outcome("rejected", error=error)

    def release(self, watch: Watch, session: str = "") -> None:
        """See `ports.Watched`."""
        held = self._held.get(watch)
        if held is not None:
            self._leave(watch, held)

    def _leave(self, watch: Watch, held: _Held) -> None:
        held.count -= 1
        if held.count == 0 and self._held.get(watch) is held:
            del self._held[watch]
            self._backend.drop(watch)

    def tells(self, watch: Watch, session: str) -> bool:
        """See `ports.Watched`. What it says here is for everybody."""
        return False

    def on_update(self, told: Updated) -> None:
        """See `ports.Watched`."""
        self._told.append(told)

    def updated(self, method: str, params: JsonObject, session: str = "") -> None:
        """The server said so; `session`: see `ports.Updated`."""
        news = without_listen(params)
        for told in self._told:
            told(method, news, session)
