"""Notice that files changed, by looking: works on every file system and ends the moment it is told to.

It knows paths and signatures, and nothing of what the files mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured

log = logging.getLogger("bulkhead")

EVERY: Final = 1.0
"""Seconds between two looks."""
AGAIN: Final = 10
"""Looks after which what could not be taken is tried again."""

Signature = tuple[tuple[str, int, int, int], ...]


async def follow(
    files: Callable[[], Iterable[Path]],
    take: Callable[[], Awaitable[object]],
    told: Callable[[str], object],
    every: float = EVERY,
) -> None:
    """They are taken up at once and each time they have changed, until cancelled.

    Whatever `take` raises is told, once while nothing changes, and ends nothing. It is tried again without a
    change that could be seen here: a directory's mode may have been wrong, or too many files open.
    """
    untaken = list[tuple[Signature, str]]()
    async for seen in changes(files, every, lambda: bool(untaken)):
        try:
            await take()
        except Exception as error:
            known = isinstance(error, Misconfigured)
            why = seen, str(error) if known else f"{type(error).__name__}: {error}"
            if why not in untaken:
                told(why[1])
            untaken[:] = [why]
        else:
            untaken.clear()


async def changes(
    files: Callable[[], Iterable[Path]],
    every: float = EVERY,
    owed: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Signature]:
    """Yields at once, and then each time the files have come to rest in another state: two looks alike. Also
    now and then while they rest as they are, if that is `owed`.

    Half a file can be a good file that says something else: a policy without its last denies. The first
    look comes before the first yield: what changes while it is dealt with is seen next time.
    """
    taken: Signature | None = None
    before: Signature | None = None
    looks = 0
    while True:
        now, looks = await asyncio.to_thread(_look, files), looks + 1
        rests = now is not None and (taken is None or now == before)
        if rests and now is not None and (now != taken or (looks >= AGAIN and owed())):
            taken, looks = now, 0
            yield taken
        before = now
        await asyncio.sleep(every)


def _look(files: Callable[[], Iterable[Path]]) -> Signature | None:
    """None: there is no telling now, as when too many files are open. It is looked again."""
    try:
        return signature(files())
    except OSError as error:
        log.warning("whether files have changed cannot be seen: %s", error)
        return None


def signature(files: Iterable[Path]) -> Signature:
    """Path, inode, size and time of the last change (ns) of each file that is there."""
    found = []
    for path in files:
        try:
            facts = path.stat()
        except OSError:
            continue  # being replaced, or gone: that is a change too
        found.append((str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))
