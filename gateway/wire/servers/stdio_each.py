"""A stdio tool server for agents that can be asked: a process of its own for each, besides the one all share.

Over stdio a question (sampling, elicitation, roots) names no call, and capabilities are said once per
process. So a session whose client declared that it can be asked has its own process, as it would without a
gateway, greeted in its words; its questions can only be for it. A stateless agent has one for each set of
capabilities. Everybody else, the catalogue and the gateway's own reads share one. A stateless server is
told each call's own capabilities and needs no second, for a stateless agent. For a session it has one if it
can be greeted there: a server of both eras may ask in the middle of a call only in a session.

Some servers list a tool only to clients that can answer what it asks. Where the operator names the questions,
the lists are read from one more process, greeted as a client that can answer them all.

Where calls go with credentials there is a process for each credential too, which has it in its environment
and ends with it. No call ever goes to a process that has another's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.core.record import Permit
from gateway.core.settle import not_forwarded
from gateway.ports import Channel, Outbound, ServerUnavailable, WatchedServer
from gateway.reasons import Reason
from gateway.values import replace
from gateway.wire.methods import SUBSCRIBE
from gateway.wire.servers.able import LISTS, able
from gateway.wire.servers.each_watches import EachWatches
from gateway.wire.servers.envelope import asks_in_sessions
from gateway.wire.servers.stdio import StdioServer
from gateway.wire.shape import STATELESS
from gateway.wire.strict_json import dumps

MOST: Final = 16
"""Processes besides the shared one. Past it, the one idle longest ends; while all work, nobody new is asked."""
MOST_PROVED: Final = 128
"""The same, where each credential has one. While all work, a call is not forwarded."""
MOST_EACH: Final = 8
"""Of one principal, who gets one for every session it opens and every set of capabilities it makes up."""
IDLE: Final = 900.0
"""Seconds without a call after which one ends, and after which one that was not to be had is tried again."""
MOST_WITHOUT: Final = 10_000
"""Principals that are remembered for having none. Past it all are forgotten, and it is tried again."""

Key = tuple[str, str, bytes, str]
Make = Callable[[ClientFacts | None, Credential | None], StdioServer]
"""Starts nothing yet."""


@dataclass(slots=True)
class _Own:
    """One agent's process."""

    server: StdioServer
    client: ClientFacts | None
    """Who it is greeted for; None: nobody who can be asked."""
    used: float
    calls: int = 0
    forgets: list[Callable[[], None]] = field(default_factory=list)
    """A session may outlive many of its processes, and a credential all: they keep none that has ended."""

    @property
    def never_ready(self) -> bool:
        """Nothing was ever forwarded to it."""
        return not self.server.describe()["starts"]


class Each:
    """`ports.WatchedServer` over the shared process and the others."""

    def __init__(
        self,
        name: str,
        shared: StdioServer,
        make: Make,
        questions: frozenset[str],
        *,
        listed_to: frozenset[str] = frozenset(),
        in_sessions: bool = False,
        everyone: bool = False,
        most: int = MOST,
        each: int | None = None,
        idle: float = IDLE,
    ) -> None:
        """`questions`: capabilities of an agent's client that the server is told of. `listed_to`: those of
        the client that is told the lists. `in_sessions`: a server that is found stateless may speak sessions too.
        `everyone`: who cannot be asked has one of their own, too; `most`, `each`: of all, and of one principal."""
        self._name = name
        self._shared = shared
        self._make = make
        self._questions = questions
        self._listed_to = listed_to
        self._in_sessions = in_sessions
        self._lister: WatchedServer | None = None
        self._everyone = everyone
        self._most, self._each = most, each or MOST_EACH
        self._idle = idle
        self._own: dict[Key, _Own] = {}
        self.watches = EachWatches(shared.watches, of_one=everyone)
        self._without: dict[str, float] = {}
        """Principals that a stateless server could not be greeted for, and until when that is believed."""
        self._ending: dict[asyncio.Task[None], WatchedServer] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_full = False
        """That was told since the last sweep."""
        self._log = logging.getLogger(f"bulkhead.server.{name}")

    @property
    def era(self) -> Era | None:
        """The shared process's."""
        return self._shared.era

    def call(
        self, permit: Permit, message: Outbound, channel: Channel
    ) -> Coroutine[Any, Any, Outcome]:
        """See `ports.ToolServer`."""
        if message.credential is None and not (message.client.capabilities or self._everyone):
            return self._shared.call(permit, message, channel)
        return self._placed(permit, message, channel)

    async def _placed(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        own = await self._place(message)
        if own is None:
            apart = self._everyone or message.credential is not None
            if apart and message.method != SUBSCRIBE:
                why = "too many of its processes are at work"
                return not_forwarded(self._name, Reason.OVERLOADED, why)
            return await self._share(permit, message, channel)
        own.calls += 1
        try:
            await self.watches.bring(own.server.watches, message.session, channel)
            outcome = await own.server.call(permit, message, channel)
        finally:
            own.calls -= 1
            own.used = asyncio.get_running_loop().time()
        if self._has_no_session(own, message):
            self._do_without(message.principal, own)
            return await self._placed(permit, message, channel)
        return replace(outcome, pid=None) if outcome.pid is not None else outcome

    async def _share(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        outcome = await self._shared.call(permit, message, channel)
        if message.method == SUBSCRIBE and message.session and outcome.kind == "ok":
            uri = str(message.params.get("uri"))
            await self.watches.subscribed(uri, message.session, channel)
        return outcome

    async def _place(self, message: Outbound) -> _Own | None:
        """The process of this agent; None when the shared one is the one to ask."""
        client, credential = message.client, message.credential
        if message.method == SUBSCRIBE:
            return None
        said = client.capabilities.items()
        asked = {name: one for name, one in said if name in self._questions and one is not None}
        lease = credential.lease if credential else ""
        if asked or self._everyone:
            key = (message.principal, message.session, dumps([asked, client.info]), lease)
            if own := self._own.get(key):
                # Whatever has become of the shared one, or of the agent's other sessions.
                return own
            if self._everyone or await self._asks_in_session(message):
                facts = ClientFacts(client.protocol_version, asked, client.info)
                return self._own.get(key) or self._new(key, facts, message)
        if credential is None:
            return None
        key = (message.principal, "", b"", lease)
        return self._own.get(key) or self._new(key, None, message)

    async def _asks_in_session(self, message: Outbound) -> bool:
        """Whether the server would ask this agent by questions, which name no call."""
        if await self._has_sessions():
            return True
        if not (self._in_sessions and asks_in_sessions(message.client)):
            return False
        until = self._without.get(message.principal, 0.0)
        return self._shared.era is STATELESS and asyncio.get_running_loop().time() >= until

    async def _has_sessions(self) -> bool:
        if self._shared.era is None:
            try:
                await self._shared.fetch("server/discover", {})
            except ServerUnavailable:
                return False  # and the call will say why
        return self._shared.era is Era.SESSIONS

    def _has_no_session(self, own: _Own, message: Outbound) -> bool:
        """Whether a stateless server cannot be greeted for this agent: it knows no sessions, or bears no second
        process. Nothing was forwarded then."""
        ended = message.credential is not None and message.credential.over.said
        is_stateless = self._shared.era is STATELESS and not ended
        return is_stateless and own.client is not None and own.never_ready

    def _do_without(self, principal: str, own: _Own) -> None:
        for key in [key for key, other in self._own.items() if other is own]:
            why = own.server.describe()["last_error"]
            self._log.warning("served without a session, %s cannot be asked: %s", principal, why)
            self._end(key)
        if len(self._without) >= MOST_WITHOUT:
            self._without.clear()
        self._without[principal] = asyncio.get_running_loop().time() + self._idle

    def _new(self, key: Key, client: ClientFacts | None, message: Outbound) -> _Own | None:
        mine = [other for other in self._own if other[0] == key[0]]
        if len(mine) >= self._each and not self._made_room(mine):
            return None
        if len(self._own) >= self._most and not self._made_room(list(self._own)):
            if not self._is_full:  # which every call of an agent would say again
                self._log.warning("%d own processes are at work, no more are started", self._most)
            self._is_full = True
            return None
        now = asyncio.get_running_loop().time()
        credential = message.credential
        own = self._own[key] = _Own(self._make(client, credential), client, now)
        ends = [] if credential is None else [credential.over]
        if client is not None and message.ear is not None:
            ends.append(message.ear.over)
        if client is not None and message.session:
            own.forgets.append(self.watches.begin(own.server.watches, message.session))
        own.forgets += [end.then(lambda: self._over(key, own)) for end in ends]
        if self._sweeper is None:
            self._sweep()
        return own

    def _made_room(self, among: list[Key]) -> bool:
        idle = [(self._own[key].used, key) for key in among if not self._own[key].calls]
        if idle:
            self._end(min(idle)[1])
        return bool(idle)

    def _sweep(self) -> None:
        self._is_full = False
        loop = asyncio.get_running_loop()
        for key, own in list(self._own.items()):
            if not own.calls and loop.time() - own.used >= self._idle:
                self._end(key)
        again = bool(self._own)
        self._sweeper = loop.call_later(self._idle / 4, self._sweep) if again else None

    def _over(self, key: Key, own: _Own) -> None:
        if self._own.get(key) is own:
            self._end(key)

    def _end(self, key: Key) -> None:
        own = self._own.pop(key)
        for forget in own.forgets:
            forget()
        server = own.server
        task = asyncio.ensure_future(server.aclose())
        self._ending[task] = server
        task.add_done_callback(self._ending.pop)

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        """See `ports.ToolServer`."""
        if method not in LISTS or not self._listed_to or not await self._has_sessions():
            return await self._shared.fetch(method, params)
        if self._lister is None:
            self._lister = self._make(able(self._listed_to), None)
        return await self._lister.fetch(method, params)

    def changes(self) -> AsyncIterator[str]:
        """See `ports.ToolServer`."""
        return self._shared.changes()

    def describe(self) -> JsonObject:
        """See `ports.ToolServer`."""
        return {**self._shared.describe(), "own_processes": len(self._own)}

    async def fence(self) -> bool:
        """See `ports.ToolServer`. Every process, whoever it works for."""
        own = (one.server for one in self._own.values())
        each = [self._shared, *own, *self._ending.values()]
        if self._lister is not None:
            each.append(self._lister)
        return all(await asyncio.gather(*(one.fence() for one in each)))

    async def aclose(self) -> None:
        """See `ports.ToolServer`."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for key in list(self._own):
            self._end(key)
        lister = [] if self._lister is None else [self._lister.aclose()]
        await asyncio.gather(self._shared.aclose(), *lister, *self._ending)
