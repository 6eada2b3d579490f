"""One session of the older era: whose it is, what is in work in it, what it has asked. And where they are kept.

A session is a plain object with no task of its own, so a thousand idle ones cost little.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

from gateway.core.model import Answer, ClientFacts, Endpoint, RequestId, WorkloadIdentity
from gateway.core.over import Ear, Over, nobody
from gateway.ports import Following
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.replay import STANDING, Budget, Shelf, Stream
from gateway.wire.asking import cannot_ask


class Session:
    """Mutable, and only ever touched from the event loop."""

    __slots__ = (
        "_asks",
        "asked",
        "caller",
        "client",
        "ear",
        "endpoint",
        "following",
        "id",
        "log_floor",
        "open_readers",
        "owner",
        "running",
        "shelf",
        "used_at",
    )

    def __init__(
        self, endpoint: Endpoint, owner: str, client: ClientFacts, shelf: Shelf, now: float
    ) -> None:
        self.id = secrets.token_urlsafe(24)
        self.endpoint = endpoint
        self.owner = owner
        """Whose it is: `WorkloadIdentity.owner`."""
        self.client = client
        self.shelf = shelf
        self.used_at = now
        self.log_floor = "debug"
        self.running: dict[RequestId, asyncio.Task[Answer]] = {}
        """Requests in work, by the agent's own ids."""
        self.asked: dict[RequestId, asyncio.Future[Answer]] = {}
        """Requests of ours the agent's client has not answered yet."""
        self.following: Following | None = None
        """What its agent is told unasked; made when it first listens or subscribes."""
        self.caller: WorkloadIdentity | None = None
        """Who listens, by the newest token."""
        self.open_readers = 0
        self.ear = Ear(Over(), nobody)
        """Hears nothing before its agent listens."""
        self._asks = 0

    @property
    def busy(self) -> bool:
        """Something is in work or somebody is reading: it cannot expire."""
        return bool(self.running or self.open_readers)

    @property
    def standing(self) -> Stream:
        """The stream for what belongs to no request (GET). Made when first needed."""
        return self.shelf.streams.get(STANDING) or self.shelf.new(STANDING)

    def next_ask(self) -> str:
        """An id for a request of ours, never used twice in this session."""
        self._asks += 1
        return f"bulkhead-{self._asks}"

    def hush(self) -> None:
        """Let who only listens go: nothing more is told unasked."""
        self.ear.tell = nobody
        if self.following is not None:
            self.following.close()
        listened = self.shelf.streams.get(STANDING)
        if listened is not None:
            listened.ended = True
            listened.wake.set()

    def end(self) -> None:
        """Cancel what is in work and let every reader go."""
        for task in tuple(self.running.values()):
            task.cancel()
        self.ear.over.say()
        self.hush()
        for future in self.asked.values():
            if not future.done():
                future.set_result(cannot_ask("the session has ended"))
        self.shelf.close()


class TooManySessions(Exception):
    """No more sessions can be opened now."""


class Sessions:
    """All open sessions, least recently used first. Bounded in number, each owner's share too."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._each: Counter[str] = Counter()
        self._budget = Budget(limits.replay_all)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._open.values()))

    def open(self, endpoint: Endpoint, owner: str, client: ClientFacts) -> Session:
        """A new session. Raises `TooManySessions`."""
        self.sweep()
        if self._each[owner] >= self._limits.max_sessions_each:
            self._end_oldest_of(owner)
        if len(self._open) >= self._limits.max_sessions:
            raise TooManySessions
        shelf = Shelf(self._budget, self._limits)
        session = Session(endpoint, owner, client, shelf, self._clock())
        self._open[session.id] = session
        self._each[owner] += 1
        return session

    def find(self, id: str, endpoint: Endpoint, owner: str) -> Session | None:
        """The session of that id, if it is this owner's at this endpoint. Others' look like none."""
        self.sweep()
        session = self._open.get(id)
        if session is None or session.owner != owner or session.endpoint != endpoint:
            return None
        self.touch(session)
        return session

    def touch(self, session: Session) -> None:
        """It was used just now."""
        if session.id in self._open:
            session.used_at = self._clock()
            self._open.move_to_end(session.id)

    def end(self, session: Session) -> None:
        """End a session; its id is unknown from here on."""
        if self._open.pop(session.id, None) is None:
            return
        self._each[session.owner] -= 1
        if not self._each[session.owner]:
            del self._each[session.owner]
        session.end()

    def sweep(self) -> None:
        """End what has been idle too long. Costs what it ends, and a look at the oldest."""
        oldest_allowed = self._clock() - self._limits.session_idle
        while self._open:
            session = next(iter(self._open.values()))
            if session.used_at > oldest_allowed:
                return
            if session.busy:
                self.touch(session)
            else:
                self.end(session)

    def _end_oldest_of(self, owner: str) -> None:
        idle = (s for s in self._open.values() if s.owner == owner and not s.busy)
        session = next(idle, None)
        if session is None:
            raise TooManySessions
        self.end(session)
