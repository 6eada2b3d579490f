"""The answer to one POST of the stateless era, and what its tool server says before it.

Most answers come whole and at once: what a stream needs is made when there is one. A client that goes away has
cancelled its request (2026-07-28, Streamable HTTP): the work is cancelled where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from gateway.core.model import Answer, Era, JsonObject, Request
from gateway.ports import Outlet
from gateway.wire import loglevels, sse
from gateway.wire.agents.answering import body_of, rest_of, status_of
from gateway.wire.agents.exchange import Exchange, Gone, Reply
from gateway.wire.agents.large import LargeAnswer
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import notification_body
from gateway.wire.agents.quiet import Quiet
from gateway.wire.asking import cannot_ask


class Posted(Struct, eq=False):
    """`ports.Channel`, and the `ports.Outlet` it has. This era's servers ask by result, so nothing is asked here.

    Entered around the work, as `asyncio.timeout` is: meanwhile its agent may go away, and a stream that is quiet must
    show life. Raises `Gone` in place of a cancellation of its own."""

    _exchange: Exchange
    _quiet: Quiet
    _request: Request
    _limits: Limits
    _left: bool = False
    _sign: asyncio.Task[None] | None = None
    """Of life, being written; None once the work is over."""
    stream: LazyStream | None = None
    """Where what came before the answer went; None: nothing did."""
    _large: LargeAnswer | None = None
    _over: bool = False
    """The work is: from here on nothing comes but the answer."""

    def __enter__(self) -> None:
        self._exchange.watch(self._leave)
        self._quiet.watch(self, self._limits.quiet_stateless)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._exchange.watch(None)
        self._quiet.let_go(self)
        self._over = True
        # A sign of life that is being written comes to its end: the stream has one writer at a time.
        self._sign = None
        if self._left and (task := self._exchange.task) is not None and task.uncancel() == 0:
            raise Gone from None

    def show_life(self) -> None:
        """See `quiet.Silent`."""
        self._sign = asyncio.get_running_loop().create_task(self._show_life())

    def _leave(self) -> None:
        if not self._left and (task := self._exchange.task) is not None:
            self._left = True
            task.cancel("the agent is gone")

    async def _show_life(self) -> None:
        try:
            await self.keep_alive()
        except Gone:
            if self._sign is not None:
                self._leave()
            return
        if self._sign is not None:
            self._quiet.watch(self, self._limits.keep_alive)

    async def keep_alive(self) -> None:
        """A sign of life, unless the answer is being written. Raises `Gone`."""
        if not self._over:
            await self._opened().keep_alive()

    @property
    def outlet(self) -> Outlet:
        """See `ports.Channel`."""
        return self

    async def notify(self, method: str, params: JsonObject) -> None:
        """On the request's own stream. Log messages only if the request asked for them."""
        if self._over or not loglevels.heard(method, params, self._request.client.log_level):
            return
        try:
            await self._opened().send(sse.encode(notification_body(method, params)))
        except Gone:
            return

    async def ask(self, method: str, params: JsonObject) -> Answer:
        """Never: the client of a stateless request has no ear for requests."""
        return unasked(method)

    async def begin(self) -> bool:
        """See `ports.Outlet`."""
        self._large = LargeAnswer(self._opened(), self._request.id)
        return True

    async def write(self, *pieces: bytes) -> None:
        """See `ports.Outlet`."""
        if self._large is not None:
            await self._large.write(*pieces)

    def add(self, pieces: Sequence[bytes]) -> bool:
        """See `ports.Outlet`."""
        return self._large is not None and self._large.add(pieces)

    async def end(self, answer: Answer) -> None:
        """What is left of the answer, where something came before it. Raises `Gone`."""
        if self._large is not None:
            await self._large.end(rest_of(self._request, answer))
        else:
            body = body_of(self._request, answer)
            await self._opened().end(Reply(status_of(self._request, answer), body))

    def _opened(self) -> LazyStream:
        if self.stream is None:
            self.stream = LazyStream(self._exchange, self._limits.write_seconds)
        return self.stream


def unasked(method: str) -> Answer:
    """What a question to a client of this era gets."""
    return cannot_ask(f"{method}: a {Era.STATELESS} client takes no requests")
