"""Carries a session's stream to whoever reads it now: from the first event it has not seen to the answer."""

from __future__ import annotations

import asyncio

from gateway.sdk import is_version_at_least
from gateway.wire import sse
from gateway.wire.agents.exchange import Exchange, Gone
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.replay import Stream
from gateway.wire.agents.session import Session


class Reader:
    """One connection reading one stream. A new reader takes over: its agent knows the old one is dead."""

    def __init__(
        self, session: Session, stream: Stream, exchange: Exchange, limits: Limits
    ) -> None:
        self._session = session
        self._stream = stream
        self._exchange = exchange
        self._limits = limits
        self._out = LazyStream(exchange, limits.write_seconds)

    async def read(self, after: int, until: float = float("inf")) -> None:
        """Write every event after number `after`, and what comes, until the stream ends.

        `until`: loop time to stop at. Raises `Gone`.
        """
        self._stream.reader = self
        self._stream.wake.set()
        self._session.open_readers += 1
        watch = self._exchange.gone()
        try:
            await self._prime(after)
            await self._carry(after, until, watch)
        finally:
            watch.cancel()
            self._session.open_readers -= 1
            if self._stream.reader is self:
                self._stream.reader = None
                if (flow := self._stream.flow_after(self._stream.last)) is not None:
                    flow.lose()
                self._stream.took(0)

    async def _prime(self, after: int) -> None:
        # An id before anything can happen, so that a reader cut off at once can resume. Clients of
        # earlier versions cannot parse an event without data.
        first = sse.COMMENT
        if is_version_at_least(self._session.client.protocol_version, "2025-11-25"):
            first = sse.encode(b"", id=self._id(after), retry=self._limits.retry_ms)
        await self._out.send(first)

    async def _carry(self, number: int, until: float, watch: asyncio.Future[None]) -> None:
        stream = self._stream
        while stream.reader is self:
            if (flow := stream.flow_after(number)) is not None:
                await flow.pour(self._out, self._id(number + 1))
                return
            event = stream.after(number)
            if event is not None:
                if event.still():
                    await self._out.send(sse.encode(event.body, id=self._id(event.number)))
                if watch.done():
                    raise Gone
                number = event.number
                stream.took(number)
            elif stream.ended or stream.paused or asyncio.get_running_loop().time() >= until:
                stream.paused = False
                break
            else:
                await self._wait(until, watch)
        await self._out.close()

    async def _wait(self, until: float, watch: asyncio.Future[None]) -> None:
        self._stream.wake.clear()
        pause = min(self._limits.keep_alive, until - asyncio.get_running_loop().time())
        if not await first_of(self._stream.wake, watch, max(0.0, pause)):
            await self._out.keep_alive()
        elif watch.done():
            raise Gone

    def _id(self, number: int) -> str:
        return f"{self._stream.name}-{number}"


async def first_of(wake: asyncio.Event, watch: asyncio.Future[None], seconds: float) -> bool:
    """Whether the event was set or the watch ended within so many seconds."""
    news = asyncio.ensure_future(wake.wait())
    try:
        done, _ = await asyncio.wait(
            (news, watch), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        news.cancel()
    return bool(done)
