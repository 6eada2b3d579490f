"""How soon a server is looked at again when it says that something changed."""

from __future__ import annotations

import asyncio

from gateway.catalogue.next_look import NextLook
from gateway.catalogue.pace import Pace
from tests.clock import TURNS, ahead

PACE = Pace(retry=(0.5, 60.0), settle=0.2)


async def waited(look: NextLook, *, after: float = 0.0, fresh: bool = False) -> float:
    """Seconds until the next look, and a tenth at most, where news come so many after the last one."""
    look.begin()
    looking = asyncio.create_task(look.wait(300.0, fresh))
    await asyncio.sleep(0)
    ahead(after)
    look.tell()
    passed = 0.0
    while not looking.done():
        step = max(0.1, passed / 10)
        passed += step
        ahead(step)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    return passed


async def test_news_are_followed_at_once() -> None:
    assert await waited(NextLook(PACE)) < 0.5


async def test_news_that_come_with_every_look_and_bring_nothing_are_followed_less_and_less() -> (
    None
):
    look = NextLook(PACE)
    pauses = [await waited(look) for _ in range(12)]
    assert pauses == sorted(pauses)
    assert 60 <= pauses[-1] < 70


async def test_news_that_bring_something_are_followed_at_once_again() -> None:
    look = NextLook(PACE)
    for _ in range(8):
        await waited(look)
    assert await waited(look, fresh=True) < 0.5


async def test_news_after_a_while_of_silence_are_followed_at_once_again() -> None:
    look = NextLook(PACE)
    for _ in range(8):
        await waited(look)
    assert await waited(look, after=100.0) < 0.5


async def test_what_is_never_told_is_looked_at_when_it_is_time() -> None:
    look = NextLook(PACE)
    looking = asyncio.create_task(look.wait(300.0, fresh=False))
    await asyncio.sleep(0)
    early = looking.done()
    ahead(300.0)
    async with asyncio.timeout(60):
        await looking
    assert not early
