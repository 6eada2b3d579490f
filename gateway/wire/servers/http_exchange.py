"""One call in a session: the POST, the requests the server pushes meanwhile, the stream taken up again.

Spec: 2025-11-25 basic/transports (resumability), basic/utilities/cancellation. It knows one session and
one call, and not how sessions come and go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from gateway.core.credential import Credential
from gateway.core.model import Answer, Era, JsonObject, Outcome
from gateway.core.over import Ear
from gateway.ports import Channel, Outbound, Outlet
from gateway.wire.methods import LISTENED_FOR, ROOTS_CHANGED
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_heard import HeardHere
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_messages import Messages, plain_outcome
from gateway.wire.servers.http_request import lines
from gateway.wire.servers.patience import ROOTS_SECONDS, Patience

AS_SAID: Final = 5
"""Times in a row that brought nothing new, after which a stream is taken up again once in `RETRY`, whatever the server
says: one that is polled may take long."""
MAX_QUESTIONS: Final = 64
"""Of the server, open at once in one call. More are not heard."""
RETRY: Final = 1.0
"""Seconds before a stream is taken up again, when the server does not say."""

Note = Callable[[str], None]
"""Told the method of each notification on a call's own stream."""
Chore = Callable[[Coroutine[Any, Any, None]], None]


class Session:
    """One `initialize`d session."""

    __slots__ = (
        "_clock",
        "calls",
        "credential",
        "ear",
        "early",
        "gone",
        "headers",
        "id",
        "in_flight",
        "log_level",
        "logs",
        "roots_at",
        "told",
        "used",
        "watched",
    )

    def __init__(
        self,
        id: str | None,
        version: str,
        credential: Credential | None = None,
        *,
        logs: bool = False,
    ) -> None:
        """`logs`: the server has log levels."""
        self.id = id
        self.logs = logs
        named = () if id is None else (("Mcp-Session-Id", id),)
        self.headers = lines((("MCP-Protocol-Version", version), *named))
        """What every message in this session carries."""
        self.credential = credential
        """The latest its account has; None: the gateway's own, or none."""
        self.ear: Ear | None = None
        """Of whoever called in it last."""
        self.early: list[JsonObject] = []
        """What it asked while no agent's call was under way: it waits for the next."""
        self.watched: HeardHere | None = None
        """What its agent subscribed to."""
        self.in_flight = 0
        self.calls: list[Exchange] = []
        """Agents' calls under way, oldest first."""
        self._clock = asyncio.get_running_loop().time
        self.used = self._clock()
        self.log_level: str | None = None
        """What the server was told by logging/setLevel: the widest anyone in this session asked for."""
        self.roots_at = self._clock()
        """When its agent last said that its roots changed and the server was told, or could ask for them anew."""
        self.gone = False
        """The server does not know it any more."""
        self.told = False
        """It has had a stream of its own."""

    def ended(self, status: int) -> bool:
        """Whether this answer to a GET says so. 404 is the protocol's word, and some servers say 400; but where there
        never was a stream, either means that there is none to be had."""
        return self.told and self.id is not None and status in (400, 404)

    def left(self) -> None:
        """A call in it has ended."""
        self.in_flight -= 1
        self.used = self._clock()

    async def heard(
        self, message: JsonObject, hear: Callable[[JsonObject], None], nobody: Exchange
    ) -> None:
        """On the stream of the gateway's own session. A question is about the only call in it, if there is just one."""
        if "id" in message and isinstance(message.get("method"), str):
            await (self.calls[0] if len(self.calls) == 1 else nobody).hear(message)
        else:
            hear(message)


class Exchange:
    """One call from its POST to its answer."""

    def __init__(
        self, link: Link, session: Session, channel: Channel, chore: Chore, note: Note
    ) -> None:
        self._link = link
        self._note = note
        self._session = session
        self._channel = channel
        self._chore = chore
        self._id = next(link.ids)
        self._asks: dict[str | int, asyncio.Task[None]] = {}
        self._messages: Messages | None = None

    async def send(self, message: Outbound, patience: Patience) -> Outcome | None:
        """Forward once. None: the session had ended before, and the server turned the message away.

        Raises `NotSent`, `Broken`. Whoever stops waiting, by cancelling or by a limit, tells the server.
        """
        self._session.ear = message.ear
        self._session.in_flight += 1
        self._session.calls.append(self)
        try:
            while self._session.early:
                await self.hear(self._session.early.pop(0))
            return await self._converse(message, patience)
        except (asyncio.CancelledError, Broken):
            if not self._session.gone:
                self._chore(self._post(envelope.cancelled(self._id, "nobody waits any more")))
            raise
        finally:
            self._leave()
            if self._messages is not None:
                self._messages.reply.close()

    def _leave(self) -> None:
        self._session.left()
        self._session.calls.remove(self)
        for ask in self._asks.values():
            ask.cancel()

    async def say_roots_changed(self, patience: Patience) -> None:
        """Before the call, so that the server knows them in it: what it asks because of this is waited for. Raises
        `NotSent`, `Broken`."""
        self._session.roots_at = asyncio.get_running_loop().time()
        self._session.in_flight += 1
        self._session.calls.append(self)
        try:
            changed = envelope.notification(ROOTS_CHANGED)
            headers, credential = self._session.headers, self._session.credential
            (await self._link.post(headers, changed, patience, credential)).drain()
            await asyncio.sleep(ROOTS_SECONDS)
            if self._asks:
                await asyncio.wait(self._asks.values(), timeout=patience.first_byte)
                await asyncio.sleep(ROOTS_SECONDS)
        finally:
            self._leave()

    async def _converse(self, message: Outbound, patience: Patience) -> Outcome | None:
        body = envelope.request(message, self._id, Era.SESSIONS)
        reply = await self._link.post(
            self._session.headers, body, patience, self._session.credential
        )
        if (plain := plain_outcome(reply, self._id, self._link, message.exact)) is not None:
            return plain
        if not 200 <= reply.head.status < 300:
            credential = self._session.credential
            outcome, said = await self._link.refusal(reply, self._id, credential)
            if envelope.number(said.get("id")) != self._id and self._session.id is not None:
                # 404 is the protocol's word for a session that has ended; some servers say 400.
                self._session.gone = reply.head.status in (400, 404)
                if reply.head.status == 404:
                    return None
            return outcome
        self._messages = Messages(reply, self._link.limits.max_result)
        self._messages.exact = message.exact
        answer = await self._answer(self._messages, message.outlet)
        clock = asyncio.get_running_loop().time
        empty, since = 0, clock()
        while answer is None:
            before = self._messages.last_id
            if before is None:
                raise Broken("the stream ended without an answer")
            self._pause()
            least = RETRY if empty >= AS_SAID else 0.0
            self._messages = await self._resume(self._messages, patience, least)
            answer = await self._answer(self._messages, message.outlet)
            if self._messages.last_id != before:
                empty, since = 0, clock()
            elif answer is None and (late := patience.late(clock(), since, begun=True)):
                raise Broken(f"its stream was taken up again and again: {late}")
            else:
                empty += 1
        self._messages.reply.drain()
        carried, rounded = self._messages.carried, self._messages.rounded
        return envelope.outcome(answer, self._link.name, carried, rounded)

    async def _answer(self, messages: Messages, outlet: Outlet | None) -> JsonObject | None:
        """The answer, or None when the stream ended and can be taken up again. Raises `Broken`."""
        try:
            return await messages.answer_to(self._id, self.hear, outlet)
        except Broken as error:
            if not error.lost or messages.last_id is None:
                raise
            return None

    def _pause(self) -> None:
        """A stream that ends before its answer, in an id, is a client sent away to come back."""
        pause: Callable[[], None] | None = getattr(self._channel, "pause", None)
        if pause is not None:
            pause()

    async def _resume(self, ended: Messages, patience: Patience, least: float) -> Messages:
        now = asyncio.get_running_loop().time()
        delay = max(least, RETRY if ended.retry is None else ended.retry)
        await asyncio.sleep(max(0.0, min(delay, patience.deadline - now)))
        try:
            headers = self._session.headers + lines([("Last-Event-ID", ended.last_id or "")])
            reply = await self._link.get(headers, patience, self._session.credential)
        except NotSent as error:
            raise Broken(f"its stream could not be taken up again: {error}") from None
        if reply.head.status != 200:
            reply.close()
            raise Broken(f"its stream could not be taken up again: HTTP {reply.head.status}")
        return Messages(reply, self._link.limits.max_result, ended)

    async def hear(self, message: JsonObject) -> None:
        """Act on what the server says, on this call's stream or on its session's."""
        method = message["method"]
        given = message.get("params")
        params: JsonObject = given if isinstance(given, dict) else {}
        if "id" in message:
            self._ask(message["id"], method, params)
        elif method == "notifications/cancelled" and params.get("requestId") in self._asks:
            self._asks[params["requestId"]].cancel()
        else:
            self._note(method)
            if method not in LISTENED_FOR:
                await self._channel.notify(method, params)
            elif self._session.watched is not None:
                self._session.watched.updated(method, params)

    def _ask(self, id: Any, method: str, params: JsonObject) -> None:
        if isinstance(id, str | int) and id not in self._asks and len(self._asks) < MAX_QUESTIONS:
            task = asyncio.ensure_future(self._asked(id, method, params))
            self._asks[id] = task
            task.add_done_callback(lambda _: self._asks.pop(id, None))

    async def _asked(self, id: str | int, method: str, params: JsonObject) -> None:
        """Put the server's question to the agent and bring the answer back."""
        reply = self._messages.reply if self._messages is not None else None
        if reply is not None:
            reply.hold()
        try:
            if method == "ping":
                answer = Answer(result={})
            else:
                answer = await self._channel.ask(method, params)
            body: JsonObject = {"jsonrpc": "2.0", "id": id}
            if answer.error is not None:
                body["error"] = answer.error.as_json()
            else:
                body["result"] = answer.result or {}
            self._chore(self._post(body))
        finally:
            if reply is not None:
                reply.release()

    async def _post(self, message: JsonObject) -> None:
        link, session = self._link, self._session
        reply = await link.post(session.headers, message, link.notice(), session.credential)
        reply.drain()
