"""News of one tool server's lists, for any number of listeners. It knows no server and no wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from weakref import WeakSet


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


class News:
    """The listeners of one server. Who reads no more is forgotten."""

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
        """To each listener, once until it is read."""
        for listener in tuple(self._listeners):
            listener.put(news)

    def close(self) -> None:
        """Every listener's iteration ends once it has read what there is."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()
