"""The JSON-RPC messages of one reply, as they come: from a JSON body or an event stream, large answers in pieces.

It knows JSON-RPC's envelope and SSE, no era and no session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.core.doubles import rounds
from gateway.core.model import JsonObject, Outcome
from gateway.ports import Outlet
from gateway.settings import MAX_WHOLE, bound
from gateway.wire import sse
from gateway.wire.json_walk import Malformed
from gateway.wire.servers.envelope import number, outcome
from gateway.wire.servers.http_broken import Broken
from gateway.wire.servers.http_heads import JSON
from gateway.wire.servers.http_large import LARGE, More, carried
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.proving import Into, Prover
from gateway.wire.strict_json import Unreadable, parse_answer

Hear = Callable[[JsonObject], Awaitable[None]]
"""Gets every message of a stream that is not the answer, in order; the stream is read no further meanwhile."""


def plain_outcome(reply: Reply, id: int, link: Link, exact: bool) -> Outcome | None:
    """What came of request `id` when its response is the whole reply, and all there. None: read its messages.
    `exact`: whether a number was rounded is asked."""
    body = reply.whole
    if body is None or not reply.head.plain or len(body) > LARGE:
        return None
    try:
        value = parse_answer(body, link.limits.max_result)
    except Unreadable:
        return None
    if type(value) is dict and "method" not in value:
        answered = value.get("id")
        if answered == id and type(answered) is int:
            return outcome(value, link.name, rounded=exact and rounds(body))
    return None


class _Event:
    """The data of one event, looked at as it comes: a `Prover` of what is before its end."""

    def __init__(self, flow: sse.Flow, prover: Prover) -> None:
        self._flow = flow
        self._prover = prover

    @property
    def behind(self) -> bool:
        return self._prover.behind

    @property
    def ended(self) -> bool:
        return self._flow.ended

    def feed(self, piece: bytes) -> bytes:
        try:
            data = b"" if self._flow.ended else self._flow.feed(piece)
        except sse.EventTooLarge as error:
            raise Malformed(str(error)) from None
        return self._prover.feed(data) if data or self._prover.behind else b""


class Messages:
    """The JSON-RPC messages of one reply, from a JSON body or an event stream.

    `resumes`: the stream this one takes up again, whose last event id and retry time still hold.
    """

    def __init__(self, reply: Reply, max_message: int, resumes: Messages | None = None) -> None:
        media = reply.head.media
        self.reply = reply
        self.is_stream = media == "text/event-stream"
        self._json = media == JSON
        self._media = media
        self._limit = min(max_message, MAX_WHOLE)
        self._most = max_message
        self._outlet: Outlet | None = None
        self._event_seen = False
        self.exact: bool = resumes is not None and resumes.exact
        """Whether a number was rounded is asked: `rounded`, of the last message."""
        self.rounded = False
        self.carried = False
        """The larger members of the answer have gone to the agent's outlet already."""
        self._parser = sse.Parser(self._limit + 1024)
        if resumes is not None:
            self._parser.last_id, self._parser.retry = (
                resumes._parser.last_id,
                resumes._parser.retry,
            )
        self._waiting: deque[bytes] = deque()
        self._pending: deque[JsonObject] = deque()

    @property
    def last_id(self) -> str | None:
        """The id of the last event, by which the stream can be taken up again."""
        return self._parser.last_id

    @property
    def retry(self) -> float | None:
        """Seconds the server asks to wait before the stream is taken up again."""
        return None if self._parser.retry is None else self._parser.retry / 1000

    async def next(self) -> JsonObject | None:
        """The next message; None at the end. Raises `Broken`."""
        while True:
            if self._pending:
                return self._pending.popleft()
            raw = await (self._event() if self.is_stream else self._body())
            if raw is not None:
                self._take(raw)
            elif not self._pending:
                return None

    async def answer_to(
        self, id: int, hear: Hear | None, outlet: Outlet | None = None
    ) -> JsonObject | None:
        """The response to request `id`; None if the stream ends without. Others go to `hear`, or are nobody's.
        Raises `Broken`.

        With an `outlet`, a large result goes there in pieces, and what comes back is the rest of it.
        """
        self._outlet = outlet
        while (message := await self.next()) is not None:
            if isinstance(message.get("method"), str):
                if hear is not None:
                    await hear(message)
            elif number(message.get("id")) == id or (
                not self.is_stream and message.get("id") is None and "error" in message
            ):
                return message
        return None

    async def _body(self) -> bytes | None:
        if not self._json:
            what = repr(self._media[:40]) if self._media else "no content type"
            raise Broken(f"it answered with {what}, neither JSON nor an event stream")
        begun = b""
        if self._outlet is not None:
            begun = await self._begin()
            if begun and max(self.reply.length, len(begun)) > LARGE:
                begun = await self._carry(begun, self.reply.pieces, LARGE)
                if self.carried:
                    return None
        return await self.reply.body(self._limit, begun) or None

    async def _begin(self) -> bytes:
        """Of a body that says it is large its first piece; of another so much that it is, or all of it."""
        first = await self.reply.read()
        if self.reply.length > LARGE:
            return first
        begun = bytearray(first)
        while len(begun) <= LARGE and (piece := await self.reply.read()):
            begun += piece
        return bytes(begun)

    async def _event(self) -> bytes | None:
        while not self._waiting:
            if self._parser.held > LARGE and not self._event_seen:
                self._event_seen = True
                await self._flow()
                if self.carried:
                    return None
            piece = await self.reply.read()
            if not piece:
                return None
            try:
                # Some servers keep a stream open by events of a name of their own: no messages.
                self._waiting.extend(
                    event.data
                    for event in self._parser.feed(piece)
                    if event.data and event.event == "message"
                )
            except sse.EventTooLarge:
                why = f"one message is larger than {bound(self._limit)}"
                raise self.reply.fail(Broken(why)) from None
        self._event_seen = False
        return self._waiting.popleft()

    async def _flow(self) -> None:
        """Pass the event that has begun on as it comes, if that can be done."""
        try:
            data, flow = self._parser.flow()
        except sse.EventTooLarge:
            return  # what has begun is no data, a comment most likely: the parser comes to its end
        event: _Event | None = None

        async def more(prover: Prover, into: Into | None) -> Sequence[bytes]:
            nonlocal event
            event = event or _Event(flow, prover)
            pieces = await self.reply.pieces(event, into)
            if not (pieces or flow.ended):
                raise Malformed("the stream ended within it")
            return pieces

        # The parser has not seen what `more` would take away.
        await self._carry(data, more, look=0)

    async def _carry(self, begun: bytes, more: More, look: int) -> bytes:
        """What was read of a message that has not been carried."""
        if self._outlet is None:
            return begun
        try:
            rest = await carried(self._outlet, begun, more, self._most, look)
        except (Malformed, Broken) as error:
            # Not as lost: a stream that is taken up again would begin the answer a second time.
            raise self.reply.fail(Broken(f"its answer broke on the way: {error}")) from None
        if isinstance(rest, bytes):
            return rest
        self.carried = True
        self._pending.append(rest)
        return b""

    def _take(self, raw: bytes) -> None:
        try:
            value = parse_answer(raw, max_bytes=self._limit)
        except Unreadable as error:
            raise self.reply.fail(Broken(f"it sent what is not a message: {error}")) from None
        self.rounded = self.exact and rounds(raw)
        batch = value if isinstance(value, list) else [value]
        for message in batch:
            if not isinstance(message, dict):
                raise self.reply.fail(Broken("it sent JSON that is not a JSON-RPC message"))
            self._pending.append(message)
