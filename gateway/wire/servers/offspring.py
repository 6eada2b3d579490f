"""The processes that a process started, and theirs. Loaded by the first tool server that is started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from typing import Final

from psutil import STATUS_ZOMBIE, Error, Process, pids

LOOK_SECONDS: Final = 0.01


def of(pid: int) -> set[Process]:
    """Those alive now: its children and theirs, and all of the session it began, whose parent may be gone."""
    found: set[Process] = set()
    with contextlib.suppress(Error):
        found |= set(Process(pid).children(recursive=True))
    for other in pids():
        with contextlib.suppress(Error, OSError):
            if other != pid and os.getsid(other) == pid:
                found.add(Process(other))
    return found


def tell(offspring: Iterable[Process], signum: signal.Signals) -> None:
    """To each that is alive still: a reused pid is never hit."""
    for process in offspring:
        with contextlib.suppress(Error):
            process.send_signal(signum)


async def gone(offspring: Iterable[Process], patience: float) -> bool:
    """None of them is alive any more, after so many seconds at most."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while any(map(_is_alive, offspring)):
        if loop.time() >= until:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


def _is_alive(process: Process) -> bool:
    """One that has ended and was not heard out by its parent is not."""
    try:
        return process.is_running() and process.status() != STATUS_ZOMBIE
    except Error:
        return False
