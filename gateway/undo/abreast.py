"""Work that goes on side by side, as its order allows; and now and then one piece of it alone.

It knows numbers and what waits for what, and nothing of calls.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.settings import ServerSettings

AT_ONCE: Final = 8
"""More would not be faster: a tool server and the journal's disk have enough to do with so many."""


def at_once(settings: Mapping[str, ServerSettings], servers: Collection[str]) -> int:
    """How many calls these tool servers and their companions may be asked for at the same time."""
    asked = (
        one for name, one in settings.items() if name in servers or one.companion_of in servers
    )
    return min([AT_ONCE, *(one.limits.concurrency for one in asked)])


async def abreast(
    waits: Sequence[Sequence[int]], most: int, work: Callable[[int], Awaitable[None]]
) -> None:
    """Each number's work once, after that of all it waits for; no more than so many at a time, the lowest first.

    What one raises is raised when those that were under way have come to their ends; nothing begins after it. Whoever
    is cancelled cancels them, and so does what is no `Exception`."""
    queue = _Queue(waits)
    running = dict[asyncio.Task[None], int]()
    try:
        while queue.ready or running:
            while queue.ready and len(running) < most:
                number = heapq.heappop(queue.ready)
                running[asyncio.create_task(_done(work(number)))] = number
            for ended in (await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED))[0]:
                number = running.pop(ended)
                ended.result()
                queue.over(number)
    except Exception:
        await _ended(running)
        raise
    except BaseException:
        for task in running:
            task.cancel()
        await _ended(running)
        raise


async def _done(work: Awaitable[None]) -> None:
    await work


async def _ended(running: Mapping[asyncio.Task[None], int]) -> None:
    await asyncio.gather(*running, return_exceptions=True)


class _Queue:
    """What may begin."""

    def __init__(self, waits: Sequence[Sequence[int]]) -> None:
        self._left = [len(each) for each in waits]
        self._after: list[list[int]] = [[] for _ in waits]
        for number, each in enumerate(waits):
            for before in each:
                self._after[before].append(number)
        self.ready = [number for number, left in enumerate(self._left) if not left]

    def over(self, number: int) -> None:
        for after in self._after[number]:
            self._left[after] -= 1
            if not self._left[after]:
                heapq.heappush(self.ready, after)


class Turns:
    """Those who go on side by side, and one of them who must be alone for a while."""

    def __init__(self) -> None:
        self._inside = 0
        self._wanting = 0
        """Those who wait to be alone, or are: nobody begins meanwhile."""
        self._alone = asyncio.Lock()
        self._moved = asyncio.Event()

    @property
    def are_several(self) -> bool:
        """Is somebody under way beside the one who asks, or waiting to be alone?"""
        return self._inside > 1 or self._wanting > 0

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[None]:
        """Beside others, none of whom is alone when this begins."""
        await self._until(lambda: not self._wanting)
        self._move(+1)
        try:
            yield
        finally:
            self._move(-1)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """For one who is `beside`: when all others have come to their ends, or want the same."""
        self._wanting += 1
        self._move(-1)
        try:
            async with self._alone:
                await self._until(lambda: not self._inside)
                yield
        finally:
            self._wanting -= 1
            self._move(+1)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._moved.wait()

    def _move(self, one: int) -> None:
        self._inside += one
        self._moved.set()
        self._moved = asyncio.Event()
