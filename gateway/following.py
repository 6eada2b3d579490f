"""Notice that files changed, by looking: works on every file system and ends the moment it is told to.

It knows paths and signatures, and nothing of what the files mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Final

log = logging.getLogger("bulkhead")

EVERY: Final = 1.0
"""Seconds between two looks."""

Signature = tuple[tuple[str, int, int, int], ...]


async def changes(
    files: Callable[[], Iterable[Path]], every: float = EVERY
) -> AsyncIterator[Signature]:
    """Yields at once, and then each time the files have come to rest in another state: two looks alike.

    Half a file can be a good file that says something else: a policy without its last denies. The first
    look comes before the first yield: what changes while it is dealt with is seen next time.
    """
    taken: Signature | None = None
    before: Signature | None = None
    while True:
        now = await asyncio.to_thread(_look, files)
        if now not in (None, taken) and (taken is None or now == before):
            taken = now
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
