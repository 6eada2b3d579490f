"""The processes that a process started, and theirs. Loaded by the first tool server that is started."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable

from psutil import Error, Process


def of(pid: int) -> set[Process]:
    """Those alive now; none if it is not."""
    try:
        return set(Process(pid).children(recursive=True))
    except Error:
        return set()


def tell(offspring: Iterable[Process], signum: signal.Signals) -> None:
    """To each that is alive still: a reused pid is never hit."""
    for process in offspring:
        with contextlib.suppress(Error):
            process.send_signal(signum)
