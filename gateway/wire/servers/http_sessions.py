"""A tool server of the session era over HTTP: who has which session, opening, losing and closing them.

A session belongs to one principal with one set of capabilities, client info and version: the server sees
each agent's real words, and what it remembers for one is never another's. Spec: 2025-11-25
basic/lifecycle, basic/transports. It knows nothing of what is said in a session (http_exchange.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, JsonObject, Outcome
from gateway.made import Made
from gateway.nobody import NOBODY
from gateway.ports import Channel, Outbound
from gateway.values import replace
from gateway.wire.asking import can_be_asked
from gateway.wire.loglevels import widest
from gateway.wire.servers import envelope
from gateway.wire.servers.http_broken import Broken, Full, NotSent, TurnedAway
from gateway.wire.servers.http_exchange import Exchange, Note, Session
from gateway.wire.servers.http_link import Link, no_session
from gateway.wire.servers.http_messages import Messages
from gateway.wire.servers.http_standing import Standing
from gateway.wire.servers.patience import Patience
from gateway.wire.strict_json import dumps

OWN: Final = "\0gateway"
"""The principal of the gateway's own session: no agent's can hold a NUL."""
MAX_SESSIONS: Final = 256
MAX_EACH: Final = 32
"""Of one principal, who opens one for every client info it makes up: it ends its own, not the others'."""
IDLE: Final = 900.0
"""Seconds after its last call at which a session is closed."""
_SESSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}")

Key = tuple[str, bytes]
"""Who, and what the server is told of its client."""


@dataclass(slots=True)
class _Place:
    """Where the session of one key lives. All who need it while it is opened share the opening, or its failure."""

    opening: asyncio.Task[Session]
    session: Session | None = None
    """From when it is open."""
    standing: Standing | None = None

    def close(self) -> None:
        """Nobody is in it any more."""
        if not self.opening.done():
            self.opening.cancel()
        if self.standing is not None:
            self.standing.close()


class Sessions:
    """Calls to one session server."""

    def __init__(self, link: Link, note: Note, on_renewed: Callable[[], None]) -> None:
        self._link = link
        self._note = note
        self._on_renewed = on_renewed
        """Called when the gateway's own session had to be opened again."""
        self._places: dict[Key, _Place] = {}
        self._said = Made(_said, MAX_SESSIONS)
        self._chores: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._had_own = False
        self.about: JsonObject = {}
        """What it answered our own `initialize`: what it says to one agent is not for the others."""

    async def send(self, message: Outbound, channel: Channel, patience: Patience) -> Outcome:
        """Forward once and read what comes. Raises `NotSent`, `Broken`.

        A session the server no longer knows turned the message away: it is opened again and the message
        sent in the new one. What was under way in the old one is the doubt of its own caller.
        """
        for _ in range(2):
            key, session = self._is_open(message) or await self.session(
                message.principal, message.client, patience, message.credential
            )
            if message.client.log_level is not None:
                await self._hear_logs(session, message, patience)
            if can_be_asked(message.client.capabilities):
                await self._be_asked(key, session)
            exchange = Exchange(self._link, session, channel, self.chore, self._note)
            if message.client.roots_at > session.roots_at:
                with suppress(NotSent, Broken):  # the call itself will tell
                    await exchange.say_roots_changed(patience)
            outcome = await exchange.send(message, patience)
            if session.gone:
                self._drop(key, session)
            if outcome is not None:
                return outcome
        raise TurnedAway(
            "it does not know a session it has just opened: are there several servers behind its address?"
        )

    async def _hear_logs(self, session: Session, message: Outbound, patience: Patience) -> None:
        """Have the server say what this agent asked to hear. The level is the session's, so it only widens;
        what is below an agent's own level is kept from it by its channel."""
        level = widest(session.log_level, message.client.log_level)
        if level == session.log_level or not session.logs:
            return
        session.log_level = level
        asked = replace(message, method="logging/setLevel", params={"level": level})
        exchange = Exchange(self._link, session, NOBODY, self.chore, self._note)
        with suppress(NotSent, Broken):  # the call itself will tell
            await exchange.send(asked, patience)

    async def _be_asked(self, key: Key, session: Session) -> None:
        """Have an ear for questions on the session's own stream."""
        place = self._places.get(key)
        if place is not None:
            if place.standing is None:
                place.standing = Standing(self._link, session)
            await place.standing.opened()

    async def listen(self, hear: Callable[[JsonObject], None], opened: Callable[[], None]) -> bool:
        """Hear what the server says unasked, in the gateway's own session, until the stream ends.

        False when it offers no such stream. Raises `NotSent`, `Broken`.
        """
        key, session = await self.session(OWN, envelope.GATEWAY, self._link.patience())
        reply = await self._link.get(session.headers, self._link.standing())
        try:
            if reply.head.status == 404 and session.id is not None:
                self._drop(key, session)
                raise Broken("the session had ended")
            if reply.head.status != 200:
                return False
            opened()
            messages = Messages(reply, self._link.limits.max_result)
            session.in_flight += 1
            try:
                while (heard := await messages.next()) is not None:
                    await session.heard(heard, hear)
            finally:
                session.left()
            return True
        finally:
            reply.close()

    def _is_open(self, message: Outbound) -> tuple[Key, Session] | None:
        """As `session`, where nothing is to be waited for."""
        key = (message.principal, self._said.of(message.client))
        place = self._places.get(key)
        if place is None or place.session is None:
            return None
        place.session.credential = message.credential
        return key, place.session

    async def session(
        self,
        principal: str,
        client: ClientFacts,
        patience: Patience,
        credential: Credential | None = None,
    ) -> tuple[Key, Session]:
        """The session of this principal and client, opened if need be; from now on with this credential.

        Raises `NotSent`."""
        key = (principal, self._said.of(client))
        place = self._places.get(key)
        if place is None:
            mine = [each for each in self._places if each[0] == principal]
            self._make_room(mine, MAX_EACH)
            self._make_room(self._places, MAX_SESSIONS)
            place = _Place(asyncio.ensure_future(self._open(client, patience, credential)))
            self._places[key] = place
            place.opening.add_done_callback(lambda opening: self._opened(key, opening))
        session = await asyncio.shield(place.opening)
        session.credential = credential
        return key, session

    async def _open(
        self, client: ClientFacts, patience: Patience, credential: Credential | None
    ) -> Session:
        id = next(self._link.ids)
        hello = envelope.initialize(id, client)
        hello["params"]["protocolVersion"] = _version(client)
        try:
            reply = await self._link.post(b"", hello, patience, credential)
            if not 200 <= reply.head.status < 300:
                outcome, _ = await self._link.refusal(reply, id, credential)
                raise no_session(reply.head.status, envelope.said(outcome, credential))
            answer = await Messages(reply, self._link.limits.max_result).answer_to(id, None)
            reply.drain()
            session, about = self._agree(answer, reply.header("mcp-session-id"), credential)
            if client is envelope.GATEWAY:
                self.about = about
            initialized = envelope.notification("notifications/initialized")
            (await self._link.post(session.headers, initialized, patience, credential)).drain()
        except Broken as error:
            raise NotSent(f"it opened no session: {error}") from None
        return session

    def _agree(
        self, answer: JsonObject | None, id: str, credential: Credential | None
    ) -> tuple[Session, JsonObject]:
        outcome = envelope.outcome(answer or {}, self._link.name)
        if outcome.result is None:
            raise NotSent(f"it opened no session: {envelope.said(outcome, credential)}")
        if (version := envelope.agreed_version(outcome.result)) is None:
            raise NotSent("it speaks no protocol version that the gateway speaks")
        if id and not _SESSION_ID.fullmatch(id):
            raise NotSent("its session id is not visible ASCII")
        logs = "logging" in (outcome.result.get("capabilities") or {})
        return Session(id or None, version, logs=logs), outcome.result

    def _opened(self, key: Key, opening: asyncio.Task[Session]) -> None:
        place = self._places.get(key)
        mine = place is not None and place.opening is opening
        if opening.cancelled() or opening.exception() is not None:
            if mine:
                del self._places[key]  # the next call tries again
            return
        if place is not None and mine:
            place.session = opening.result()
        if key[0] == OWN:
            if self._had_own:
                self._on_renewed()
            self._had_own = True
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(IDLE / 4, self._sweep)

    def _make_room(self, keys: Collection[Key], most: int) -> None:
        """Close the one idle longest when there are too many. Raises `Full` when all are at work."""
        if len(keys) < most:
            return
        idle = [
            (session.used, key)
            for key in keys
            if (session := self._places[key].session) is not None and not session.in_flight
        ]
        if not idle:
            raise Full(f"{most} sessions are at work")
        self._end(min(idle)[1])

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for key, place in list(self._places.items()):
            session = place.session
            if session and not session.in_flight and loop.time() - session.used > IDLE:
                self._end(key)
        self._sweeper = loop.call_later(IDLE / 4, self._sweep) if self._places else None

    def _drop(self, key: Key, session: Session) -> None:
        place = self._places.get(key)
        if place is not None and place.session is session:
            self._places.pop(key).close()

    def _end(self, key: Key) -> None:
        place = self._places.pop(key)
        session = place.session
        place.close()
        if session is not None and session.id is not None:
            link = self._link
            self.chore(link.delete(session.headers, link.notice(), session.credential))

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what nobody waits for. Its failure is nobody's news."""
        task = asyncio.ensure_future(_quietly(work))
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def aclose(self) -> None:
        """End every session and wait, briefly, until the server has heard of it."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._places):
            self._end(key)
        if self._chores:
            _, late = await asyncio.wait(set(self._chores), timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(NotSent, Broken):
        await work


def _said(client: ClientFacts) -> bytes:
    return dumps([_version(client), client.capabilities, client.info])


def _version(client: ClientFacts) -> str:
    """What to offer: the agent's own version, or the newest of the era for an agent of the other one."""
    known = client.protocol_version in envelope.SESSION_VERSIONS
    return client.protocol_version if known else envelope.SESSION_VERSIONS[0]
