"""What both eras need to talk to one HTTP server: its way in, and what a status means.

It knows JSON-RPC and statuses; it knows no era, no session and no agent, and of a reply its head and an error.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import Any, Final

from gateway.core.credential import Credential
from gateway.core.model import JsonObject, Outcome
from gateway.credential_ports import NoCredential, OwnCredential
from gateway.reasons import Reason
from gateway.settings import MAX_WHOLE, ServerLimits
from gateway.values import Value, replace
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_pool import Pool
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.http_request import Requests, lines
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import FOREVER
from gateway.wire.strict_json import Unreadable, dumps, parse_answer

UNAUTHORIZED: Final = 401
NOTICE: Final = 5.0
"""Seconds a message nobody waits for (cancelled, DELETE) may take."""
LONGEST_URL: Final = 200
NO_EFFECT: Final = frozenset({401, 403, 404, 405, 406, 413, 415})
"""Statuses that say the request was turned away at the door."""


def answered(reply: Reply) -> str:
    """With which status, and where a redirect leads: it is not followed, and may want no more than a slash."""
    status = reply.head.status
    to = reply.header("location").partition("?")[0] if 300 <= status < 400 else ""
    return f"it answered HTTP {status}" + (f", a redirect to {to[:LONGEST_URL]!a}" if to else "")


def no_session(status: int, said: str) -> NotSent:
    """What a server answered to `initialize`, and what it may be where it takes no POST there."""
    older = status in {404, 405}
    hint = "; one of HTTP+SSE (2024-11-05) needs transport: sse" if older else ""
    return NotSent(f"it opened no session: HTTP {status}: {said}{hint}")


class Link(Value):
    """One server's name, limits and way in."""

    name: str
    limits: ServerLimits
    requests: Requests
    pool: Pool
    ids: Iterator[int]
    """Unique per server, not per connection or session."""
    own: OwnCredential | None
    """What goes with a message that has no credential of its own; None: the server needs none."""

    def patience(self) -> Patience:
        """The limits of one call that starts now."""
        limits = self.limits
        return Patience(limits.first_byte, limits.idle, self.pool.loop.time() + limits.total)

    def notice(self) -> Patience:
        """The limits of a message nobody waits for."""
        return Patience(NOTICE, NOTICE, self.pool.loop.time() + NOTICE)

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
        if credential is not None:
            headers += lines(credential.headers)
        elif self.own is not None:
            return self._post_as_own(headers, message, patience)
        return self.pool.send(self.requests.post(headers, dumps(message)), patience)

    async def _post_as_own(self, headers: bytes, message: JsonObject, patience: Patience) -> Reply:
        credential = await self._own()
        headers += lines(credential.headers)
        reply = await self.pool.send(self.requests.post(headers, dumps(message)), patience)
        _tell(reply, credential)
        return reply

    async def post_twice(
        self,
        headers: bytes,
        message: JsonObject,
        patience: Patience,
        credential: Credential | None = None,
    ) -> Reply:
        """As `post`, of what does nothing if it is heard twice: again, on a new connection, where a kept one had ended
        without a word."""
        try:
            return await self.post(headers, message, patience, credential)
        except Broken as error:
            if not error.stale:
                raise
        self.pool.forget_idle()
        return await self.post(headers, message, patience, credential)

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
        if error is not None and (reply.head.status < 500 or envelope.number(body.get("id")) == id):
            return Outcome("rejected", error=error), body
        why = answered(reply)
        if reply.head.status in NO_EFFECT:
            no = envelope.not_forwarded(self.name, Reason.SERVER_UNAVAILABLE, why)
            return replace(no, turned_away=True), {}
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
    if reply.head.status == UNAUTHORIZED and credential is not None:
        credential.turned_away.say()
