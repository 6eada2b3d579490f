"""Time that passes at a word: what a limit or a term ends is not waited for.

A limit a test waits out in real time has to be short, and then a machine that is slow for a moment passes
it where it should hold.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

TURNS: Final = 10
"""Of the loop, in which what is due gets done before more of it is."""


def ahead(seconds: float) -> None:
    """The running loop's clock is so much later from now on, and what was due by then is due at its next turn.

    The loop is the test's own and ends with it. Other processes have clocks of their own.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


async def at_once(ending: asyncio.Future[Any]) -> None:
    """What is ending has ended, or has had five pauses of a tenth of a second pass: so uvicorn ends, and a test of
    a millisecond would wait a quarter of a second for it."""
    for turn in range(5 * TURNS):
        if ending.done():
            return
        if turn % TURNS == 0:
            ahead(0.1)
        await asyncio.sleep(0)
