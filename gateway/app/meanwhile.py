"""What goes on while something else does, and as long: watches and loops beside the calls. No rule lives here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger("bulkhead")


@asynccontextmanager
async def meanwhile(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """It runs while this is entered, and is over when that is left. What fails is logged, and stops nothing else."""
    tasks = [asyncio.create_task(_run(each)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in work:
            each.close()  # What was over before it began would be missed, out loud.


async def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("what was to go on has ended: %s", work)
