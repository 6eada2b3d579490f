"""When a server is looked at again, that may have said that something changed.

It knows time, and neither servers nor lists.
"""

from __future__ import annotations

import asyncio

from gateway.catalogue.fetch import Lists
from gateway.catalogue.pace import Pace


class NextLook:
    """Of one server.

    News that come with each look and bring nothing may be the look's own doing: behind a balancer that spreads
    sessions over several servers every list is asked for in a new one. They are followed at a growing distance."""

    def __init__(self, pace: Pace) -> None:
        self._settle, (_, self._longest) = pace.settle, pace.retry
        self._pause = self._settle
        self._told = asyncio.Event()

    def tell(self) -> None:
        """There are news."""
        self._told.set()

    def begin(self) -> None:
        """A look begins: what was told before it, it will see."""
        self._told.clear()

    async def wait(self, seconds: float, fresh: bool) -> None:
        """Until it is time for the next look: news are there, or so many seconds have passed. `fresh`: the last one
        brought something."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
        if fresh or loop.time() - looked > self._pause:
            self._pause = self._settle
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, self._longest)


def look_again(read: Lists, longest: float) -> float:
    """After how many seconds: the server's own shortest `ttlMs`, between 30 s and the longest."""
    pages = [page.raw.get("ttlMs") for each in read.kinds.values() for page in each.pages]
    most = int(longest * 1000)  # first: its own may be larger than any double
    own = [min(ttl, most) / 1000 for ttl in pages if isinstance(ttl, int) and ttl > 0]
    return min([longest, *(max(30.0, ttl) for ttl in own)])
