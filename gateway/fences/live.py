"""The fences of one gateway process: asked before a call and after it, and set upon those under way.

Nothing waits here. A look at the log is one system call; a fence that is new is read at once, by
whoever looks first: the next call, the end of a call, or the watch, which looks a hundred times a second
while something is under way, so that it is cut off too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

from msgspec import Struct

from gateway.core.fence import Catchable, Fence, Ring
from gateway.errors import Misconfigured, Refused, Where
from gateway.fences.log import FenceLog
from gateway.reasons import Reason

log = logging.getLogger("bulkhead.fences")

EVERY: Final = 0.01
"""Seconds between two looks of the watch."""
QUIET: Final = 0.05
"""The same while no call is under way: one that begins just then is cut off no later than that."""
LOOKS: Final = 100
"""Looks after which it is looked whether the log is still the one at its path."""
UNREADABLE: Final = Fence("all", "", "gateway", "the fence log cannot be read", 0)


class LiveFences:
    """`ports.Fences`."""

    def __init__(self, log: FenceLog) -> None:
        """Raises `Misconfigured` for a log that cannot be read."""
        self._log = log
        self._size = -1
        self._seen: tuple[Fence, ...] = ()
        """Every fence there was at the last look."""
        self._under_way: set[Watched] = set()
        self.watching = partial(Watched, self._under_way)
        """See `ports.Fences`."""
        self._is_ours = True
        """As of the last look of the watch."""
        self.on_change: Callable[[], None] = lambda: None
        # Its length first: what is written meanwhile is news.
        self._size, self._seen = log.length(), log.read()
        self._ring = Ring(self._seen)

    def check(self, caught: Catchable) -> None:
        """See `ports.Fences`."""
        if self.standing() and (fence := self._ring.around(caught.caught)):
            raise Refused(Reason.FENCED, f"fenced: {fence} ({fence.by}: {fence.why})")

    def standing(self) -> tuple[Fence, ...]:
        """See `ports.Fences`: a look at the log, each time."""
        try:
            size = self._log.length()
            if size == self._size:
                return self._seen
            if not self._is_ours:
                raise Misconfigured("another file is in its place", Where(str(self._log.path)))
            self._seen, self._size = self._log.read(), size
        except (OSError, Misconfigured) as error:
            self._stop(str(error))
        self._ring = Ring(self._seen)
        for one in tuple(self._under_way):
            if self._ring.around(one.caught.caught):
                one.cut()
        self.on_change()
        return self._seen

    async def watch(self) -> None:
        """Looks until cancelled; now and then whether the log is still the one at its path."""
        for look in count():
            await asyncio.sleep(EVERY if self._under_way else QUIET)
            if look % LOOKS == 0:
                self._is_ours = self._log.is_ours
                self._size = self._size if self._is_ours else -1
            try:
                self.standing()
            except Exception:
                log.exception("somebody who is told of fences failed; the watch goes on")

    def _stop(self, why: str) -> None:
        """Doubt about fences is a fence."""
        if self._seen != (UNREADABLE,):
            log.error("everything is stopped: %s", why)
        self._seen, self._size = (UNREADABLE,), -1


class Watched(Struct, eq=False):
    """One call under way: entered around the forward, as `asyncio.timeout` is."""

    _under_way: set[Watched]
    caught: Catchable
    _task: asyncio.Task[object] | None = None
    was_cut: bool = False

    def cut(self) -> None:
        """A fence has fallen on it: what it waits for is cancelled."""
        if not self.was_cut and self._task is not None:
            self.was_cut = True
            self._task.cancel("fenced")

    def __enter__(self) -> Watched:
        self._task = asyncio.current_task()
        self._under_way.add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        self._under_way.discard(self)
        if not self.was_cut or self._task is None:
            return False
        # Nobody but the fence has asked for an end: it is not the agent that went away.
        alone = self._task.uncancel() == 0
        return alone and kind is not None and issubclass(kind, asyncio.CancelledError)
