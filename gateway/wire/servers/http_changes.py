"""List changes of one HTTP server: one standing stream, opened when somebody listens, kept by retrying.

It knows when to listen again and whom to tell; how to listen is the era's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from gateway.core.model import JsonObject
from gateway.ports import Told
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.news import News

RESTARTED: Final = "restarted"
FIRST_DELAY: Final = 1.0
MAX_DELAY: Final = 60.0
"""Seconds between two attempts; doubled from the first to the last."""

Hear = Callable[[JsonObject], None]
Listen = Callable[[Hear, Callable[[], None]], Awaitable[bool]]


class Changes:
    """Tells any number of listeners."""

    def __init__(self, listen: Listen, notices: Told) -> None:
        """`notices` gets every notification of the standing stream, and `RESTARTED`."""
        self._listen = listen
        self._notices = notices
        self._news = News()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._opened_before = False
        self._lived = False
        self._open = asyncio.Event()

    async def open(self, seconds: float) -> bool:
        """Whether the standing stream is open, or opens within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._open.wait()
        except TimeoutError:
            return False
        return True

    def subscribe(self) -> AsyncIterator[str]:
        """News from now on, until closed."""
        if self._task is None and not self._closed:
            self._task = asyncio.ensure_future(self._keep())
        return self._news.listen()

    def restarted(self) -> None:
        """What was known of the server's lists may be out of date."""
        self._news.publish(RESTARTED)
        self._notices(RESTARTED, {})

    async def aclose(self) -> None:
        """End the standing stream and every listener's news."""
        self._closed = True
        self._news.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while True:
            self._lived = False
            try:
                offered = await self._listen(self._hear, self._opened)
            except (NotSent, Broken):
                offered = True
            finally:
                self._open.clear()
            if not offered:
                delay = MAX_DELAY
            elif self._lived:
                delay = FIRST_DELAY
            await asyncio.sleep(delay)
            delay = min(MAX_DELAY, delay * 2)

    def _opened(self) -> None:
        if self._opened_before:
            self.restarted()
        self._opened_before = True
        self._open.set()

    def note(self, method: str) -> None:
        """A notification was heard, on whatever stream: a list change there is news to everyone."""
        if method.startswith("notifications/") and method.endswith("/list_changed"):
            self._news.publish(method)

    def _hear(self, message: JsonObject) -> None:
        self._lived = True
        method = message.get("method")
        if not isinstance(method, str):
            return
        self.note(method)
        if "id" not in message:
            params = message.get("params")
            self._notices(method, params if isinstance(params, dict) else {})
