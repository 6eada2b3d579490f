"""Who is told of what: changed lists, updated resources, tasks. One `Follower` per listen or session.

What an agent subscribes to is decided and recorded like a read, by the Line, and decided again each
time it is told. A list change is told only to those whose own view of the list it changed. It knows
the ports; no wire, no tool server's way of being asked.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from gateway.core import settle
from gateway.core.decide import Decided
from gateway.core.model import Answer, JsonObject, Request, WorkloadIdentity
from gateway.errors import JournalError, Refused
from gateway.gate.views import KINDS, view
from gateway.line.bounds import Bounds
from gateway.line.way import Way
from gateway.pep import Line
from gateway.ports import Catalogue, Channel, Policies, Told, Watch, Watched
from gateway.reasons import Reason
from gateway.values import replace

MOST: Final = 256
"""Subscriptions of one follower."""
MOST_VIEWS: Final = 4_096
"""Remembered; past it all are worked out anew. A caller's task is part of its own."""
UPDATED: Final = "notifications/resources/updated"
TASKS: Final = "notifications/tasks"
GET: Final = "tasks/get"
READ: Final = "resources/read"

Place = tuple[str, Watch]
"""A tool server, and what is watched there."""


class Subscriptions:
    """All followers of one gateway."""

    def __init__(
        self,
        *,
        line: Line,
        catalogue: Catalogue,
        policies: Policies,
        bounds: Bounds,
        watched: Mapping[str, Watched],
        seconds: Callable[[], int],
    ) -> None:
        """`seconds` gives the time since the epoch."""
        self.line = line
        self.watched = watched
        self._catalogue = catalogue
        self._policies = policies
        self._bounds = bounds
        self._seconds = seconds
        self._followers: dict[Follower, None] = {}
        self._held: dict[Place, dict[Follower, str]] = defaultdict(dict)
        """Who watches a place, and the name they know it by."""
        self._views: dict[Any, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        for name, one in watched.items():
            one.on_update(partial(self._updated, name))

    def follow(self, request: Request, kinds: frozenset[str], told: Told) -> Follower:
        """See `ports.Gate.follow`."""
        follower = Follower(self, request, told)
        follower.views = {kind: self.view(request, kind) for kind in KINDS if kind in kinds}
        self._followers[follower] = None
        return follower

    def changed(self) -> None:
        """The catalogue or the policy is another one: tell those who see another list."""
        self._views.clear()
        self._again = True
        if self._followers and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._again:
            self._again = False
            for follower in tuple(self._followers):
                follower.look()
                await asyncio.sleep(0)

    def view(self, request: Request, kind: str, before: int = 0) -> int:
        """The view of one list, worked out once for all who share it; `before`, where nobody can tell now."""
        policy, table, who = self._policies.current, self._catalogue.current, request.identity
        key = (
            policy.version,
            table.version,
            request.endpoint,
            replace(who, token_id="", expires_at=0),
            kind,
        )
        if key in self._views:
            return self._views[key]
        try:
            now = view(policy, self._bounds, table, request, kind)
        except JournalError:
            return before
        if len(self._views) >= MOST_VIEWS:
            self._views.clear()
        self._views[key] = now
        return now

    def place(self, request: Request) -> Place:
        """Where a subscription leads, as the Line has it. Raises `Refused`, `JournalError`."""
        resolved = self._decided(request).classified.resolved
        server = resolved.target.server
        if request.method == GET:
            return server, ("task", str(request.params.get("taskId")))
        return server, ("resource", str(resolved.params.get("uri")))

    def may_hear(self, request: Request) -> bool:
        """May this caller hear what the answer would be: its token holds, and it could ask now? In doubt, no."""
        if request.identity.expires_at <= self._seconds():
            return False
        try:
            self._decided(request)
        except (Refused, JournalError):
            return False
        return True

    def _decided(self, request: Request) -> Decided:
        return self.line.decided(Way("", request, self._policies.current, request))

    def hold(self, place: Place, follower: Follower, name: str) -> None:
        """Tell this follower of this place, by this name."""
        self._held[place][follower] = name

    def drop(self, place: Place, follower: Follower) -> None:
        """Tell it no more."""
        followers = self._held.get(place, {})
        followers.pop(follower, None)
        if not followers:
            self._held.pop(place, None)
        self.watched[place[0]].release(place[1], follower.request.session or "")

    def forget(self, follower: Follower) -> None:
        """It listens no more."""
        self._followers.pop(follower, None)

    def _updated(self, server: str, method: str, params: JsonObject, session: str = "") -> None:
        if method == TASKS:
            task = str(params.get("taskId"))
            for follower in self._at(server, ("task", task), session):
                asked = {**follower.request.params, "taskId": task}
                if self.may_hear(replace(follower.request, method=GET, params=asked)):
                    follower.tell(method, params)
        elif method == UPDATED and isinstance(params.get("uri"), str):
            uri = params["uri"]
            for whole in _wholes(uri):
                for follower, name in self._at(server, ("resource", whole), session).items():
                    shown = name + uri.removeprefix(whole)
                    read = replace(follower.request, method=READ, params={"uri": shown})
                    if self.may_hear(read):
                        follower.tell(method, {**params, "uri": shown})

    def _at(self, server: str, watch: Watch, session: str) -> dict[Follower, str]:
        """`session`: to whom alone it was said, if not to all: others may know something else by that name, and what is
        said to all is said once more to who has a session of its own there."""
        held, tells = self._held.get((server, watch), {}).items(), self.watched[server].tells
        if session:
            return {one: name for one, name in held if one.request.session == session}
        return {one: name for one, name in held if not tells(watch, one.request.session or "")}


def _wholes(uri: str) -> Iterator[str]:
    """The URI itself, then each it may be a part of: an update may name a part of what was subscribed to."""
    yield uri
    end = uri.rfind("/")
    while end > 0:
        yield uri[: end + 1]
        yield uri[:end]
        end = uri.rfind("/", 0, end)


class Follower:
    """See `ports.Following`."""

    def __init__(self, house: Subscriptions, request: Request, told: Told) -> None:
        self.request = request
        self.tell = told
        self.views: dict[str, int] = {}
        self._house = house
        self._places: dict[str, Place] = {}
        self._closed = False

    async def subscribe(self, request: Request, channel: Channel) -> Answer:
        """See `ports.Following`. Whoever stops waiting leaves no count behind."""
        return await asyncio.shield(asyncio.ensure_future(self._subscribe(request, channel)))

    async def _subscribe(self, request: Request, channel: Channel) -> Answer:
        if len(self._places) >= MOST:
            return settle.refused(request, Refused(Reason.OVERLOADED, f"{MOST} subscriptions"), "")
        answer = await self._house.line.call(request, channel)
        if answer.result is None:
            return answer
        try:
            place = self._house.place(request)
        except Refused as no:  # it went away this very moment
            return settle.refused(request, no, "")
        except JournalError:
            return settle.refused(request, Refused(Reason.JOURNAL_UNAVAILABLE), "")
        name = place[1][1] if place[1][0] == "task" else str(request.params["uri"])
        if place[1][0] == "task":
            error = await self._house.watched[place[0]].acquire(place[1])
            if error is not None:
                return Answer(error=error)
        if name in self._places:
            self._house.watched[place[0]].release(place[1])  # its session has it still
        elif self._closed:
            self._house.watched[place[0]].release(place[1], request.session or "")
        else:
            self._places[name] = place
            self._house.hold(place, self, name)
        return answer

    def unsubscribe(self, request: Request) -> Answer:
        """See `ports.Following`. What was never subscribed to is not subscribed to now either."""
        uri = request.params.get("uri")
        place = self._places.pop(uri, None) if isinstance(uri, str) else None
        if place is not None:
            self._house.drop(place, self)
        return Answer({})

    def renew(self, identity: WorkloadIdentity) -> None:
        """See `ports.Following`."""
        self.request = replace(self.request, identity=identity)

    def look(self) -> None:
        """Tell of each list that looks different from before."""
        for kind, before in self.views.items():
            now = self._house.view(self.request, kind, before)
            if now != before:
                self.views[kind] = now
                self.tell(f"notifications/{kind}/list_changed", {})

    def close(self) -> None:
        """See `ports.Following`."""
        self._closed = True
        self._house.forget(self)
        for place in self._places.values():
            self._house.drop(place, self)
        self._places.clear()
