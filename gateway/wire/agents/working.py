"""One call of a session while it is worked on: what comes of it, and what its agent's connection waits for.

A stream is made for the first message that is not the answer, or where all is silent for too long. An answer before
which nothing came needs none. Where its agent has gone away before there was a stream, nobody can come back for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.model import Answer, Request, RpcError
from gateway.ports import MayHave
from gateway.wire.agents.answering import body_of, rest_of
from gateway.wire.agents.flow import Flow
from gateway.wire.agents.messages import REQUEST_CANCELLED, error_body
from gateway.wire.agents.replay import Shelf, Stream

TOO_LARGE: Final = RpcError(REQUEST_CANCELLED, "The answer was too large to keep until it was read")


class Working:
    """`sessionchannel.Sink`, and the `ports.Outlet` of its channel."""

    _flow: Flow | None = None

    def __init__(self, shelf: Shelf, request: Request, keeps: Callable[[Request], MayHave]) -> None:
        """`keeps`: see `ports.Gate`."""
        self._shelf = shelf
        self._keeps = keeps
        self._request = request
        self.news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there is a stream or a body, or the agent is gone."""
        self.stream: Stream | None = None
        self.body: bytes | None = None
        """The answer, where nothing came before it."""
        self.gone = False

    async def append(self, body: bytes) -> bool:
        """See `Sink`."""
        return await self._opened().append(body)

    def put(self, body: bytes) -> bool:
        """See `Sink`."""
        return self._opened().put(body)

    def pause(self) -> None:
        """See `Sink`."""
        self._opened().pause()

    async def begin(self) -> bool:
        """See `ports.Outlet`."""
        stream = self._opened()
        self._flow = flow = Flow(self._request.id, lambda: stream.start(flow))
        return await flow.begin()

    async def write(self, *pieces: bytes) -> None:
        """See `ports.Outlet`."""
        if self._flow is not None:
            await self._flow.write(*pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        """See `ports.Outlet`."""
        return self._flow is not None and self._flow.add(pieces)

    def show_life(self) -> None:
        """See `quiet.Silent`: the agent is told that it waits, by a stream."""
        self._opened()

    def leave(self) -> None:
        """The agent has gone away."""
        self.gone = True
        self._tell()

    def end(self, answer: Answer) -> None:
        """The work is done."""
        request, stream = self._request, self.stream
        if stream is not None:
            if stream.flow is not None:
                stream.flow.end(rest_of(request, answer))
            lost = error_body(request.id, TOO_LARGE)
            stream.end(lost if answer.carried else body_of(request, answer), lost)
        elif not self.gone:
            self.body = body_of(request, answer)
            self._tell()

    def _tell(self) -> None:
        if not self.news.done():
            self.news.set_result(None)

    def _opened(self) -> Stream:
        if self.stream is None:
            self.stream = self._shelf.new()
            self.stream.may_have = self._keeps(self._request)
            self.stream.reader = self
            self.stream.ended = self._shelf.closed
            if self.gone or self.body is not None or self._shelf.closed:
                self._shelf.forget(self.stream)  # it comes too late for anybody
            self._tell()
        return self.stream
