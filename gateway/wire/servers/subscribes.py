"""Watching a sessions tool server: `resources/subscribe` in the gateway's own session, over any wire.

After a loss the server is asked again, and what is watched counts as changed: nobody knows what was
missed. Spec: 2025-11-25 server/resources.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.core.model import RpcError
from gateway.finishing import begin
from gateway.nobody import NOBODY
from gateway.ports import Channel, ServerUnavailable, Told, Watch
from gateway.wire.methods import UPDATED
from gateway.wire.servers.watching import not_told

Ask = Callable[[str, str, Channel], Awaitable[RpcError | None]]
"""Carries a method with a URI in the gateway's own session; the server's error. What the server asks meanwhile goes
to the channel. Raises `ServerUnavailable`."""


class Subscribes:
    """The backend for a sessions server."""

    def __init__(self, ask: Ask, hears: Callable[[], Awaitable[bool]], told: Told) -> None:
        """`hears`: whether what the server says unasked is heard at all."""
        self._send = ask
        self._hears = hears
        self._told = told
        self._wanted: set[str] = set()
        self._chores: set[asyncio.Task[None]] = set()

    async def add(self, watch: Watch, channel: Channel) -> RpcError | None:
        """See `watches.Backend`."""
        kind, name = watch
        if kind != "resource" or not await self._hears():
            return not_told("it does not tell of this")
        error = await self._ask("resources/subscribe", name, channel)
        if error is None:
            self._wanted.add(name)
        return error

    def drop(self, watch: Watch) -> None:
        """See `watches.Backend`."""
        if watch[1] in self._wanted:
            self._wanted.discard(watch[1])
            begin(self._chores, self._unsubscribe(watch[1]))

    def renewed(self) -> None:
        """The session is a new one, or its stream was lost: what was watched is to be asked for again."""
        for name in self._wanted:
            begin(self._chores, self._resubscribe(name))

    def close(self) -> None:
        """Nothing is watched any more; the session's end tells the server."""
        self._wanted.clear()
        for chore in self._chores:
            chore.cancel()

    async def _resubscribe(self, name: str) -> None:
        await self._ask("resources/subscribe", name)
        if name in self._wanted:
            self._told(UPDATED, {"uri": name})

    async def _unsubscribe(self, name: str) -> None:
        await self._ask("resources/unsubscribe", name)
        if name in self._wanted:  # wanted again meanwhile
            await self._ask("resources/subscribe", name)

    async def _ask(self, method: str, uri: str, channel: Channel = NOBODY) -> RpcError | None:
        try:
            return await self._send(method, uri, channel)
        except ServerUnavailable as error:
            return error.error or not_told(str(error))
