"""News of a tool server's lists, for any number of listeners; each kind of news once until it is read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from weakref import WeakSet

from gateway.core.model import Era
from gateway.ports import Outbound
from gateway.wire.methods import LISTEN
from gateway.wire.servers import envelope
from gateway.wire.servers.stdio_conversation import Conversation, Gone
from gateway.wire.servers.stdio_greeting import FOREVER, Greeting
from gateway.wire.servers.watching import lists_told


async def listen(conversation: Conversation, greeting: Greeting) -> None:
    """A stateless server tells of changed lists only who listens. One that will not is not asked
    again before its next start; the catalogue then hears of changes when it reads."""
    wanted = lists_told(greeting.capabilities)
    if greeting.era is not Era.STATELESS or not wanted:
        return
    message = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, "")
    with contextlib.suppress(TimeoutError, Gone):
        await conversation.ask(lambda id: envelope.request(message, id, Era.STATELESS), FOREVER)


class Listener:
    """One reader's news. At most one of each kind waits, so a slow reader costs nothing."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._news = asyncio.Event()
        self._closed = False

    def put(self, news: str) -> None:
        self._waiting[news] = None
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        news = next(iter(self._waiting))
        del self._waiting[news]
        return news


class Changes:
    """The listeners of one server."""

    def __init__(self) -> None:
        self._listeners: WeakSet[Listener] = WeakSet()
        self._closed = False

    def listen(self) -> Listener:
        """News from now on."""
        listener = Listener()
        if self._closed:
            listener.close()
        else:
            self._listeners.add(listener)
        return listener

    def publish(self, news: str) -> None:
        for listener in tuple(self._listeners):
            listener.put(news)

    def close(self) -> None:
        """Every listener's iteration ends once it has read what there is."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()
