"""A journal that holds a test's own lines, and is closed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from gateway.core.record import Line
from gateway.journals.sqlite import SqliteJournal


async def write(path: Path, *lines: Line) -> None:
    """All of them are sealed there. Begins a journal where there is none."""
    async with asyncio.timeout(60), aclosing(await SqliteJournal.open(path)) as journal:
        for pending in [journal.append(line) for line in lines]:
            await pending.sealed()
