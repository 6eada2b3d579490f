"""A tool server of the session era over HTTP: who has which session, opening, losing and closing them.

A session belongs to one principal, in one session of its own if it has one, with one set of capabilities, client
info and version: the server sees each agent's real words, and what it remembers for one is never another's. It ends
with the agent's. Spec: 2025-11-25 basic/lifecycle. It knows nothing of what is said in a session (http_exchange.py) or
while one is opened (http_opening.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Final

from gateway.core.model import ClientFacts, JsonObject, Outcome
from gateway.finishing import begin
from gateway.made import Made
from gateway.nobody import NOBODY
from gateway.ports import Channel, Outbound
from gateway.values import replace
from gateway.wire.asking import can_be_asked
from gateway.wire.loglevels import widest
from gateway.wire.servers import envelope
from gateway.wire.servers.each_watches import EachWatches
from gateway.wire.servers.http_broken import Broken, Full, NotSent, TurnedAway
from gateway.wire.servers.http_changes import Changes
from gateway.wire.servers.http_ears import Ears
from gateway.wire.servers.http_exchange import Exchange, Session
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_messages import Messages
from gateway.wire.servers.http_opening import offered, opened
from gateway.wire.servers.http_place import Place
from gateway.wire.servers.patience import Patience
from gateway.wire.strict_json import dumps

OWN: Final = "\0gateway"
"""The principal of the gateway's own session: no agent's can hold a NUL."""
LISTER: Final = "\0lists"
"""That of the session in which lists are read as by a client that can be asked."""
MAX_SESSIONS: Final = 512
MAX_EACH: Final = 128
"""Of one principal, who opens one for every session and client info it makes up: it ends its own, not the others'.
While all of them are at work, what comes in a further session of the agent's shares one with others of that kind."""
IDLE: Final = 900.0
"""Seconds after its last call at which a session is closed."""
HEAR_SECONDS: Final = 0.2
"""How long a call waits for the stream of a session that nothing can be asked in: its log messages alone come there."""
ITSELF: Final = Outbound("", {}, envelope.GATEWAY, OWN)
"""Whoever asks for the gateway's own session."""

Key = tuple[str, str, bytes]
"""Who, in which session of theirs, and what the server is told of its client."""


class Sessions:
    """Calls to one session server."""

    def __init__(self, link: Link, changes: Changes, watches: EachWatches) -> None:
        """`changes`: what was heard of lists, and that the gateway's own session had to be opened again."""
        self._link = link
        self._watches = watches
        self._ears = Ears(link, watches, self._exchange)
        self._changes = changes
        self._places: dict[Key, Place] = {}
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
            found = self._is_open(message)
            if found is None:
                message, found = await self._own_or_shared(message, patience)
            key, session = found
            if message.client.log_level is not None:
                await self._hear_logs(session, message, patience)
            place = self._places.get(key)
            if place is not None and self._watches.wants(message.session):
                await self._ears.updates(place, session, message, channel)
            elif place is not None and (place.standing is None or place.standing.to_open):
                if can_be_asked(message.client.capabilities):
                    await self._ears.stream(place, session)
                elif message.session:
                    await self._ears.stream(place, session, HEAR_SECONDS)
            if session.gone:
                self._drop(key, session)
                continue
            exchange = self._exchange(session, channel)
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
        exchange = self._exchange(session, NOBODY)
        with suppress(NotSent, Broken):  # the call itself will tell
            await exchange.send(asked, patience)

    async def attend(self, message: Outbound, channel: Channel) -> None:
        """Its agent has just subscribed to something: if its session is open, it is subscribed there too."""
        found = self._is_open(message) if self._watches.wants(message.session) else None
        if found is not None:
            key, session = found
            await self._ears.updates(self._places[key], session, message, channel)

    def _exchange(self, session: Session, channel: Channel) -> Exchange:
        return Exchange(self._link, session, channel, self.chore, self._changes.note)

    async def listen(self, hear: Callable[[JsonObject], None], opened: Callable[[], None]) -> bool:
        """Hear what the server says unasked, in the gateway's own session, until the stream ends.

        False when it offers no such stream. Raises `NotSent`, `Broken`.
        """
        key, session = await self.session(ITSELF, self._link.patience())
        reply = await self._link.get(session.headers, self._link.standing())
        try:
            if session.ended(reply.head.status):
                self._drop(key, session)
                raise Broken("the session had ended")
            if reply.head.status != 200:
                return False
            session.told = True
            opened()
            messages = Messages(reply, self._link.limits.max_result)
            nobody = self._exchange(session, NOBODY)
            session.in_flight += 1
            try:
                while (heard := await messages.next()) is not None:
                    await session.heard(heard, hear, nobody)
            finally:
                session.left()
            return True
        finally:
            reply.close()

    def _is_open(self, message: Outbound) -> tuple[Key, Session] | None:
        """As `session`, where nothing is to be waited for."""
        key = (message.principal, message.session, self._said.of(message.client))
        place = self._places.get(key)
        if place is None or place.session is None:
            return None
        place.session.credential = message.credential
        return key, place.session

    async def _own_or_shared(
        self, message: Outbound, patience: Patience
    ) -> tuple[Outbound, tuple[Key, Session]]:
        """Whose session it is shared says nothing after a call: it could be to another. Raises `NotSent`."""
        try:
            return message, await self.session(message, patience)
        except Full:
            if not message.session:
                raise
        message = replace(message, session="", ear=None)
        return message, await self.session(message, patience)

    async def session(self, message: Outbound, patience: Patience) -> tuple[Key, Session]:
        """The session for this message, opened if need be; from now on with its credential. Raises `NotSent`."""
        principal, credential = message.principal, message.credential
        key = (principal, message.session, self._said.of(message.client))
        place = self._places.get(key)
        if place is None:
            mine = [
                each
                for each in self._places
                if each[0] == principal and bool(each[1]) == bool(message.session)
            ]
            self._make_room(mine, MAX_EACH)
            self._make_room(self._places, MAX_SESSIONS)
            place = self._places[key] = Place(asyncio.ensure_future(self._open(message, patience)))
            place.opening.add_done_callback(lambda opening: self._opened(key, opening))
            if message.ear is not None:
                place.forgets.append(message.ear.over.then(lambda: self._over(key, place)))
        session = await asyncio.shield(place.opening)
        session.credential = credential
        return key, session

    async def _open(self, message: Outbound, patience: Patience) -> Session:
        session, about = await opened(self._link, message.client, patience, message.credential)
        if message.client is envelope.GATEWAY or (message.principal == LISTER and not self.about):
            self.about = about
        return session

    def _opened(self, key: Key, opening: asyncio.Task[Session]) -> None:
        place = self._places.get(key)
        mine = place is not None and place.opening is opening
        if opening.cancelled() or opening.exception() is not None:
            if mine:
                self._places.pop(key).close()  # the next call tries again
            return
        if place is not None and mine:
            place.session = opening.result()
        if key[0] == OWN:
            if self._had_own:
                self._changes.restarted()
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

    def _over(self, key: Key, place: Place) -> None:
        """Its agent's session is."""
        if self._places.get(key) is place:
            self._end(key)

    def _end(self, key: Key) -> None:
        place = self._places.pop(key)
        place.close()
        self.chore(self._tell_end(place.opening))

    async def _tell_end(self, opening: asyncio.Task[Session]) -> None:
        """One that is being opened is ended when it is: the server would keep it. Of those to which a server gave one
        id the last ends it."""
        session, link = await opening, self._link
        others = {place.session.id for place in self._places.values() if place.session is not None}
        if session.id is not None and session.id not in others:
            await link.delete(session.headers, link.notice(), session.credential)

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what nobody waits for. Its failure is nobody's news."""
        begin(self._chores, _quietly(work))

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
    return dumps([offered(client), client.capabilities, client.info])
