"""Time that passes at a word: what a limit or a term ends is not waited for.

A limit a test waits out in real time has to be short, and then a machine that is slow for a moment passes
it where it should hold.
"""

from __future__ import annotations

import asyncio


def ahead(seconds: float) -> None:
    """The running loop's clock is so much later from now on, and what was due by then is due at its next turn.

    The loop is the test's own and ends with it. Other processes have clocks of their own.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]
