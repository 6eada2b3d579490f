"""The first process of a container inherits every other whose parent is gone, and has to hear of its end.

Children of a wrapper (npx, sh) that was killed, and what commands typed beside the gateway leave: without this
each would keep its number for good, and there are only so many. It knows the numbers of processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection
from typing import Final

from gateway.wire.servers.guarding import GUARD

EVERY: Final = 10.0
"""Seconds."""


async def heard_out() -> None:
    """For ever, where this is the first process; elsewhere somebody else is."""
    while os.getpid() == 1:
        hear_out(GUARD.groups)
        await asyncio.sleep(EVERY)


def hear_out(own: Collection[int]) -> None:
    """Those that have ended, up to one of our `own`, which has a thread that waits for it."""
    with contextlib.suppress(ChildProcessError):
        while over := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if over.si_pid in own:
                return
            os.waitpid(over.si_pid, os.WNOHANG)
