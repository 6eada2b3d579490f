"""The answer to one POST of the stateless era, and what its tool server says before it.

Most answers come whole and at once: what a stream needs is made when there is one.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.model import Answer, Era, JsonObject, Request
from gateway.ports import Outlet
from gateway.wire import loglevels, sse
from gateway.wire.agents.answering import body_of, status_of
from gateway.wire.agents.attending import Attending
from gateway.wire.agents.exchange import Exchange, Gone, Reply
from gateway.wire.agents.large import LargeAnswer
from gateway.wire.agents.lazystream import LazyStream
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import notification_body
from gateway.wire.agents.quiet import Quiet
from gateway.wire.asking import cannot_ask


class Posted(Attending):
    """`ports.Channel`, and the `ports.Outlet` it has. This era's servers ask by result, so nothing is asked here."""

    _stream: LazyStream | None = None
    _large: LargeAnswer | None = None
    _over = False
    """The answer is being written: nothing may come between or after."""

    def __init__(self, exchange: Exchange, quiet: Quiet, request: Request, limits: Limits) -> None:
        self._exchange = exchange
        self._quiet = quiet
        self._request = request
        self._limits = limits

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

    async def keep_alive(self) -> None:
        """See `Attending`."""
        if not self._over:
            await self._opened().keep_alive()

    def whole(self, answer: Answer) -> Reply | None:
        """The answer, to be written now; None where something came before it: `end` it."""
        self._over = True
        if self._stream is not None:
            return None
        return Reply(status_of(answer), body_of(self._request, answer))

    async def end(self, answer: Answer) -> None:
        """What is left of the answer. Raises `Gone`."""
        if self._large is not None:
            await self._large.end(answer)
        else:
            body = body_of(self._request, answer)
            await self._opened().end(Reply(status_of(answer), body))

    def _opened(self) -> LazyStream:
        if self._stream is None:
            self._stream = LazyStream(self._exchange, self._limits.write_seconds)
        return self._stream


def unasked(method: str) -> Answer:
    """What a question to a client of this era gets."""
    return cannot_ask(f"{method}: a {Era.STATELESS} client takes no requests")
