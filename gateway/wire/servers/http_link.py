"""What both eras need to talk to one HTTP server: post a message, read the messages that come back.

It knows JSON-RPC, SSE and statuses; it knows no era, no session and no agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.credential import Credential
from gateway.core.model import JsonObject, Outcome
from gateway.credential_ports import NoCredential, OwnCredential
from gateway.ports import Outlet
from gateway.reasons import Reason
from gateway.settings import MAX_WHOLE, ServerLimits
from gateway.wire import sse
from gateway.wire.json_walk import Malformed
from gateway.wire.servers import envelope
from gateway.wire.servers.http_large import LARGE, More, carried
from gateway.wire.servers.http_pool import Pool
from gateway.wire.servers.http_reply import Broken, NotSent, Patience, Reply
from gateway.wire.servers.http_request import Requests, lines
from gateway.wire.servers.http_vigil import FOREVER
from gateway.wire.strict_json import Unreadable, dumps, parse_answer

JSON: Final = "application/json"
UNAUTHORIZED: Final = 401
NO_EFFECT: Final = frozenset({401, 403, 404, 405, 406, 413, 415})
"""Statuses that say the request was turned away at the door."""

Hear = Callable[[JsonObject], Awaitable[None]]
"""Gets every message of a stream that is not the answer, in order; the stream is read no further meanwhile."""


@dataclass(frozen=True, slots=True)
class Link:
    """One server's name, limits and way in."""

    name: str
    limits: ServerLimits
    requests: Requests
    pool: Pool
    ids: Iterator[int]
    """Unique per server, not per connection or session."""
    own: OwnCredential | None = None
    """What goes with a message that has no credential of its own; None: the server needs none."""

    def patience(self) -> Patience:
        """The limits of one call that starts now."""
        limits = self.limits
        deadline = asyncio.get_running_loop().time() + limits.total
        return Patience(limits.first_byte, limits.idle, deadline)

    def standing(self) -> Patience:
        """The limits of a stream that is meant to stay open."""
        return Patience(self.limits.first_byte, FOREVER, FOREVER)

    def post(
        self,
        headers: bytes,
        message: JsonObject,
        patience: Patience,
        credential: Credential | None = None,
    ) -> Coroutine[Any, Any, Reply]:
        """POST one message; the reply as soon as its head is there, a small one as soon as it is whole.

        `headers`: see `http_request.lines`. Raises `NotSent`, `Broken`."""
        if credential is None and self.own is not None:
            return self._post_as_own(headers, message, patience)
        if credential is not None:
            headers += lines(credential.headers)
        return self.pool.send(self.requests.post(headers, dumps(message)), patience)

    async def _post_as_own(self, headers: bytes, message: JsonObject, patience: Patience) -> Reply:
        credential = await self._own()
        headers += lines(credential.headers)
        reply = await self.pool.send(self.requests.post(headers, dumps(message)), patience)
        _tell(reply, credential)
        return reply

    async def get(
        self, headers: bytes, patience: Patience, credential: Credential | None = None
    ) -> Reply:
        """Open an event stream. Raises `NotSent`, `Broken`."""
        headers = await self._proved(headers, credential)
        return await self.pool.send(self.requests.get(headers), patience)

    async def delete(
        self, headers: bytes, patience: Patience, credential: Credential | None = None
    ) -> None:
        """End a session. Raises `NotSent`, `Broken`."""
        headers = await self._proved(headers, credential)
        (await self.pool.send(self.requests.delete(headers), patience)).drain()

    async def _proved(self, headers: bytes, credential: Credential | None) -> bytes:
        """With the credential that is given, else the gateway's own. Raises `NotSent`."""
        if credential is None and self.own is not None:
            credential = await self._own()
        return headers if credential is None else headers + lines(credential.headers)

    async def _own(self) -> Credential:
        assert self.own is not None
        try:
            return await self.own()
        except NoCredential as no:
            raise NotSent(f"no credential: {no}") from None

    async def refusal(
        self, reply: Reply, id: int, credential: Credential | None = None
    ) -> tuple[Outcome, JsonObject]:
        """What a status other than 2xx means, and its JSON-RPC body ({} if it has none).

        A JSON-RPC error passes verbatim. Without one, only statuses that turn a request away at the
        door say that nothing was done. Challenges and cookies of the server go nowhere. `credential`:
        what went with the request; nothing is sent again with another one.
        """
        _tell(reply, credential)
        body = await self._error_body(reply)
        error = envelope.rpc_error(body.get("error"))
        if error is not None and (reply.status < 500 or body.get("id") == id):
            return Outcome("rejected", error=error), body
        why = f"it answered HTTP {reply.status}"
        if reply.status in NO_EFFECT:
            return envelope.not_forwarded(self.name, Reason.SERVER_UNAVAILABLE, why), {}
        return envelope.in_doubt(self.name, why), {}

    async def _error_body(self, reply: Reply) -> JsonObject:
        try:
            most = min(self.limits.max_result, MAX_WHOLE)
            body = parse_answer(await reply.body(most), max_bytes=most)
        except (Broken, Unreadable):
            return {}
        finally:
            reply.close()
        return body if isinstance(body, dict) else {}


def _tell(reply: Reply, credential: Credential | None) -> None:
    if reply.status == UNAUTHORIZED and credential is not None:
        credential.turned_away.say()


def plain_answer(reply: Reply, id: int, most: int) -> JsonObject | None:
    """The response to request `id` when it is the whole reply, and all there. None: read its messages."""
    body = reply.whole
    if body is None or len(body) > LARGE or len(body) > most or reply.media != JSON:
        return None
    try:
        value = parse_answer(body, max_bytes=most)
    except Unreadable:
        return None
    if type(value) is not dict or "method" in value or type(value.get("id")) is not int:
        return None
    return value if value["id"] == id else None


class Messages:
    """The JSON-RPC messages of one reply, from a JSON body or an event stream.

    `resumes`: the stream this one takes up again, whose last event id and retry time still hold.
    """

    def __init__(self, reply: Reply, max_message: int, resumes: Messages | None = None) -> None:
        media = reply.media
        self.reply = reply
        self.is_stream = media == "text/event-stream"
        self._json = media == JSON
        self._media = media
        self._limit = min(max_message, MAX_WHOLE)
        self._most = max_message
        self._outlet: Outlet | None = None
        self._event_seen = False
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
        self, id: int, hear: Hear, outlet: Outlet | None = None
    ) -> JsonObject | None:
        """The response to request `id`; None if the stream ends without. Others go to `hear`. Raises `Broken`.

        With an `outlet`, a large result goes there in pieces, and what comes back is the rest of it.
        """
        self._outlet = outlet
        while (message := await self.next()) is not None:
            if isinstance(message.get("method"), str):
                await hear(message)
            elif _same(message.get("id"), id) or (
                not self.is_stream and message.get("id") is None and "error" in message
            ):
                return message
        return None

    async def _body(self) -> bytes | None:
        if not self._json:
            what = repr(self._media[:40]) if self._media else "no content type"
            raise Broken(f"it answered with {what}, neither JSON nor an event stream")
        begun = bytearray()
        if self._outlet is not None:
            # Of one that says it is large, the first piece is enough to begin with.
            enough = 0 if self.reply.length > LARGE else LARGE
            while len(begun) <= enough and (piece := await self.reply.read()):
                begun += piece
            if len(begun) > enough:
                begun = bytearray(await self._carry(bytes(begun), self.reply.read, LARGE))
                if self.carried:
                    return None
        return await self.reply.body(self._limit, bytes(begun)) or None

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
                self._waiting.extend(event.data for event in self._parser.feed(piece) if event.data)
            except sse.EventTooLarge:
                raise self.reply.fail(
                    Broken("one message is larger than limits.max_result")
                ) from None
        self._event_seen = False
        return self._waiting.popleft()

    async def _flow(self) -> None:
        """Pass the event that has begun on as it comes, if that can be done."""
        data, flow = self._parser.flow()

        async def more() -> bytes:
            while not flow.ended:
                piece = await self.reply.read()
                if not piece:
                    raise Malformed("the stream ended within it")
                if found := flow.feed(piece):
                    return found
            return b""

        # The parser has not seen what `more` would take away.
        await self._carry(data, more, look=0)

    async def _carry(self, begun: bytes, more: More, look: int) -> bytes:
        """What was read of a message that has not been carried."""
        if self._outlet is None:
            return begun
        try:
            rest = await carried(self._outlet, begun, more, self._most, look)
        except (Malformed, sse.EventTooLarge, Broken) as error:
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
        batch = value if isinstance(value, list) else [value]
        for message in batch:
            if not isinstance(message, dict):
                raise self.reply.fail(Broken("it sent JSON that is not a JSON-RPC message"))
            self._pending.append(message)


def _same(theirs: object, ours: int) -> bool:
    return theirs == ours and isinstance(theirs, int | float) and not isinstance(theirs, bool)
