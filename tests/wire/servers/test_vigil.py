"""One timer for many: each is looked at when it can be late, and nobody else's time moves it."""

from __future__ import annotations

import asyncio

from gateway.wire.servers.vigil import FOREVER, Vigil


class Late:
    """Something awaited that says when it was found to be late."""

    def __init__(self, vigil: Vigil, due: float) -> None:
        self._vigil = vigil
        self.due = due
        self.found = asyncio.Event()

    def look(self, now: float) -> float:
        if now < self.due:
            return self.due
        self._vigil.over(self)
        self.found.set()
        return FOREVER


async def test_each_is_found_late_whatever_order_they_came_in() -> None:
    vigil, now = Vigil(), asyncio.get_running_loop().time()
    all_of_them = [Late(vigil, now + seconds) for seconds in (0.05, 0.01, 0.03)]
    for one in all_of_them:
        vigil.begin(one)
        vigil.expect(one.due)
    async with asyncio.timeout(20):
        await asyncio.gather(*(one.found.wait() for one in all_of_them))
    assert asyncio.get_running_loop().time() >= now + 0.05


async def test_one_that_can_be_late_sooner_than_it_said_is_found_sooner() -> None:
    vigil, now = Vigil(), asyncio.get_running_loop().time()
    one = Late(vigil, now + 1000)
    vigil.begin(one)
    vigil.expect(one.due)
    one.due = now + 0.01
    vigil.expect(one.due)
    async with asyncio.timeout(20):
        await one.found.wait()


async def test_one_that_is_over_is_not_looked_at() -> None:
    vigil, now = Vigil(), asyncio.get_running_loop().time()
    over, other = Late(vigil, now + 0.01), Late(vigil, now + 0.02)
    for one in (over, other):
        vigil.begin(one)
        vigil.expect(one.due)
    vigil.over(over)
    async with asyncio.timeout(20):
        await other.found.wait()
    assert not over.found.is_set()
