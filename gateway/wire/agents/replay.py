"""The events of one stream of a session, numbered and kept for a while, with at most one reader.

A writer appends and waits for room while somebody reads. With nobody reading, the oldest events make
room: a notification may be lost, the answer is kept if it can be. Event ids name stream and number, so
one stream can never replay another's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.core.over import always
from gateway.ports import MayHave
from gateway.values import Value
from gateway.wire.agents.flow import Flow
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.quiet import Silent

STANDING: Final = "standing"
"""The name of a session's GET stream."""


class Budget:
    """Bytes kept for replay over all sessions."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0


class Kept(Value):
    """One event: its number in the stream, and the message it carries."""

    number: int
    body: bytes
    still: Callable[[], bool] = always
    """Asked before it goes out: may it?"""


class Stream:
    """Append, end, read. `wake` is set whenever there is something new for the reader."""

    __slots__ = (
        "_limits",
        "_next",
        "_room",
        "_shelf",
        "abandoned",
        "delivered",
        "ended",
        "events",
        "flow",
        "flows_after",
        "may_have",
        "name",
        "paused",
        "reader",
        "wake",
    )

    def __init__(self, name: str, shelf: Shelf, limits: Limits) -> None:
        self.name = name
        self.events: deque[Kept] = deque()
        self.delivered = 0
        """The number of the last event a reader took."""
        self.ended = False
        self.abandoned = False
        """Nobody knows an id of this stream, so nobody can come back for it."""
        self.paused = False
        """Its reader is to hang up now, and to come back for the rest."""
        self.reader: object | None = None
        self.wake = asyncio.Event()
        self.flow: Flow | None = None
        """Set when its answer comes in pieces, which are not kept."""
        self.flows_after = 0
        """The number of the event before it."""
        self.may_have: MayHave = lambda _: True
        """Asked of who comes back for it."""
        self._room: asyncio.Event | None = None
        """What a writer waits for that has to."""
        self._next = 1
        self._shelf = shelf
        self._limits = limits

    def start(self, flow: Flow) -> bool:
        """Its answer comes in pieces. False when nobody reads."""
        if self.reader is None or self.abandoned:
            return False
        self.flow, self.flows_after = flow, self.last
        self.wake.set()
        return True

    def flow_after(self, number: int) -> Flow | None:
        """The answer in pieces, if that is what comes after `number` and nobody had it yet."""
        flow = self.flow
        return None if flow is None or flow.taken or number < self.flows_after else flow

    async def append(self, body: bytes) -> bool:
        """One message. Waits for room while a reader is slow; drops the oldest when nobody reads.

        False when nobody reads and there is no room at all.
        """
        self._shelf.forget_delivered(len(body))
        # Where nobody reads nothing waits: a writer without end must still leave others their turn.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                while self._must_wait(len(body)):
                    self._room = self._room or asyncio.Event()
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            self.reader = None
        return self.put(body)

    def _must_wait(self, size: int) -> bool:
        behind = self.reader is not None and self.delivered < self.last
        return behind and not self._shelf.room_for(size)

    def put(self, body: bytes, still: Callable[[], bool] = always) -> bool:
        """One message, at once. False when it could not be kept. `still`: see `Kept`."""
        if self.abandoned or not self._shelf.make_room(len(body), self):
            return False
        self._keep(body, still)
        return True

    def end(self, body: bytes, otherwise: bytes) -> None:
        """The last message: the answer. `otherwise` stands in for one that cannot be kept for an absent reader."""
        if not self.put(body) and not self.abandoned:
            self._keep(otherwise)
        self.ended = True
        self.wake.set()

    def pause(self) -> None:
        """Have the reader hang up when it has all there is, and come back for the rest (2025-11-25: polling)."""
        self.paused = True
        self.wake.set()

    def _keep(self, body: bytes, still: Callable[[], bool] = always) -> None:
        self.events.append(Kept(self._next, body, still))
        self._shelf.take(len(body))
        self._next += 1
        self.wake.set()

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return self._next - 1

    def after(self, number: int) -> Kept | None:
        """The first event that is kept after `number`."""
        return next((event for event in self.events if event.number > number), None)

    def took(self, number: int) -> None:
        """The reader has this event: what waits for room may go on."""
        self.delivered = max(self.delivered, number)
        self._shelf.forget_delivered(0)
        self._freed()

    def drop(self, *, delivered_only: bool) -> bool:
        """Forget the oldest event. False when there is none to forget."""
        if not self.events or (delivered_only and self.events[0].number > self.delivered):
            return False
        self._shelf.give(len(self.events.popleft().body))
        return True

    def abandon(self) -> None:
        """Keep nothing from here on."""
        self.abandoned = True
        if self.flow is not None and not self.flow.taken:
            self.flow.lose()
        while self.drop(delivered_only=False):
            pass
        self._freed()

    def _freed(self) -> None:
        if self._room is not None:
            self._room.set()


class Shelf:
    """The streams of one session and the bytes they keep, within the session's bound and everybody's."""

    __slots__ = ("_budget", "_count", "_limits", "closed", "streams", "used", "waiting")

    def __init__(self, budget: Budget, limits: Limits) -> None:
        self.streams: dict[str, Stream] = {}
        self.waiting: set[Silent] = set()
        """Calls that have no stream yet, and somebody who waits for one."""
        self.closed = False
        """No stream is of use to anybody any more."""
        self.used = 0
        self._budget = budget
        self._limits = limits
        self._count = 0

    def new(self, name: str = "") -> Stream:
        """A new stream; the oldest ended ones are forgotten past the count."""
        self._count += 1
        stream = Stream(name or f"s{self._count}", self, self._limits)
        self.streams[stream.name] = stream
        ended = [s for s in self.streams.values() if s.ended and s.reader is None]
        for old in ended[: max(0, len(ended) - self._limits.replay_streams)]:
            self.forget(old)
        return stream

    def forget(self, stream: Stream) -> None:
        """Nobody can resume this stream any more."""
        stream.abandon()
        self.streams.pop(stream.name, None)

    def find(self, event_id: str) -> tuple[Stream, int] | None:
        """The stream and number an event id of this session names."""
        name, _, number = event_id.rpartition("-")
        stream = self.streams.get(name)
        if stream is None or not (number.isascii() and number.isdigit() and len(number) < 12):
            return None
        return (stream, int(number)) if int(number) <= stream.last else None

    def room_for(self, size: int) -> bool:
        """Whether so many bytes more stay within both bounds."""
        return (
            self.used + size <= self._limits.replay_session
            and self._budget.used + size <= self._budget.most
        )

    def forget_delivered(self, size: int) -> None:
        """Forget what readers have, ended streams first, until `size` bytes more would fit."""
        for stream in sorted(self.streams.values(), key=lambda s: not s.ended):
            while not self.room_for(size) and stream.drop(delivered_only=True):
                pass

    def make_room(self, size: int, writer: Stream) -> bool:
        """The same, and then what the writer's absent reader has not taken. False when that is not enough.

        A reader that is there always has room for one event: `append` has waited for it.
        """
        if self.room_for(size):
            return True
        self.forget_delivered(size)
        if writer.reader is not None:
            return True
        if size > self._limits.replay_session:
            return False
        while not self.room_for(size) and writer.drop(delivered_only=False):
            pass
        return self.room_for(size)

    def take(self, size: int) -> None:
        self.used += size
        self._budget.used += size

    def give(self, size: int) -> None:
        self.used -= size
        self._budget.used -= size

    def close(self) -> None:
        """End every stream: readers return, writers keep nothing."""
        self.closed = True
        for call in tuple(self.waiting):
            call.show_life()
        for stream in list(self.streams.values()):
            stream.ended = True
            self.forget(stream)
            stream.wake.set()
