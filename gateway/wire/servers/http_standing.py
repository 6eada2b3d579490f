"""The GET stream of one agent's session: where a server puts questions that name no call of its.

Kept open for each session of an agent, as its client would keep it, and for stateless agents that can be asked. What
comes is given to the newest call of the session: all calls in it are one principal's, and an answer finds its question
by id whichever call carried it.
Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.model import JsonObject
from gateway.wire.methods import outlives_its_call
from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_exchange import Exchange, Session
from gateway.wire.servers.http_heard import HeardHere
from gateway.wire.servers.http_link import Link
from gateway.wire.servers.http_messages import Messages

OPEN_SECONDS: Final = 2.0
"""How long a call waits for the stream. A server may open it without saying so before its first event."""
AGAIN_SECONDS: Final = 1.0
MAX_EARLY: Final = 8
"""Questions that wait for a call. More are declined."""
PING: Final = "ping"


class Standing:
    """One session's stream: opened before the first call that may need it, again when it was lost."""

    def __init__(self, link: Link, session: Session, nobody: Exchange) -> None:
        """`nobody`: hears what is nobody's."""
        self._link = link
        self._nobody = nobody
        self._session = session
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refused = False

    def hear(self, heard: HeardHere) -> None:
        """From now on also what its agent subscribes to."""
        self._session.watched = heard

    @property
    def to_open(self) -> bool:
        """Whether `opened` has anything to do, or to wait for."""
        return not self._refused and (self._ended or not self._settled.is_set())

    @property
    def _ended(self) -> bool:
        return self._task is None or self._task.done()

    async def opened(self, seconds: float | None = None) -> bool:
        """Whether it is open: returns when it is, when there is none to be had, or when that takes too long."""
        if not self._refused and self._ended:
            self._settled.clear()
            self._task = asyncio.ensure_future(self._keep())
        try:
            async with asyncio.timeout(OPEN_SECONDS if seconds is None else seconds):
                await self._settled.wait()
        except TimeoutError:
            self._settled.set()  # no other call waits for it
            return False
        return self._session.told and not self._refused

    def close(self) -> None:
        """Nobody listens any more."""
        if self._task is not None:
            self._task.cancel()

    async def _keep(self) -> None:
        try:
            while not self._refused:
                try:
                    await self._listen()
                except (NotSent, Broken):
                    self._settled.set()
                watched = self._session.watched
                if not self._session.calls and not (watched and watched.watches.are_any):
                    return  # the next call opens it again
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            self._settled.set()

    async def _listen(self) -> None:
        session = self._session
        reply = await self._link.get(session.headers, self._link.standing(), session.credential)
        try:
            if reply.head.status != 200:
                self._refused = True
                session.gone = session.ended(reply.head.status)
                return
            self._is_open(True)
            messages = Messages(reply, self._link.limits.max_result)
            while (heard := await messages.next()) is not None:
                if not isinstance(heard.get("method"), str):
                    continue
                if self._session.calls:
                    await self._session.calls[-1].hear(heard)
                else:
                    await self._after_a_call(heard)
        finally:
            self._is_open(False)
            reply.close()

    def _is_open(self, now: bool) -> None:
        heard = self._session.watched
        if heard is not None:
            heard.watches.hears = now
            if now and self._session.told:
                heard.subscribes.renewed()
        if now:
            self._session.told = True
            self._settled.set()

    async def _after_a_call(self, heard: JsonObject) -> None:
        """To the agent of the last one; a changed list is news for everyone. What it asks waits for the next call."""
        session, params = self._session, heard.get("params")
        asks = "id" in heard and heard["method"] != PING
        if asks and len(session.early) < MAX_EARLY:
            session.early.append(heard)
            return
        await self._nobody.hear(heard)
        if session.ear is not None and "id" not in heard and outlives_its_call(heard["method"]):
            session.ear.tell(heard["method"], params if isinstance(params, dict) else {})
