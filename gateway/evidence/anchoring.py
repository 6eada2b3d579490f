"""Takes signed checkpoints where this installation cannot change them: what only that can show stands in
docs/explanation/evidence.md.

The newest one goes out every so often, to each place by itself, so that a slow place holds up nothing. A place
that fails is tried again with the next one. Of several gateways on one state directory one does it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import JournalError
from gateway.evidence import proof
from gateway.evidence.sequencer import LOOK_SECONDS, lock

log = logging.getLogger("bulkhead.evidence")

WAITS: Final = 2.0
"""Seconds between looks at whether another gateway still does it."""


class Unanchored(Exception):
    """The place did not take it; its words say why."""


class Anchor(Protocol):
    """One place outside (evidence/anchors)."""

    @property
    def name(self) -> str:
        """For the log."""
        ...

    async def put(self, name: str, note: str) -> None:
        """It has the note under this name, durably, on return. The same again is no error.

        Raises `Unanchored`."""
        ...


class Checkpoints(proof.Checkpoints, Protocol):
    """Opened for one place, and closed again."""

    def close(self) -> None: ...


class Anchoring:
    """What one place has."""

    def __init__(self, checkpoints: Checkpoints, anchor: Anchor) -> None:
        self._checkpoints = checkpoints
        self._anchor = anchor
        self._reached = 0

    async def catch_up(self) -> None:
        """The newest checkpoint goes there, unless it is there. Raises `JournalError`."""
        note = await asyncio.to_thread(self._checkpoints.checkpoint)
        size = proof.size_of(note) if note else 0
        if note is None or size <= self._reached:
            return
        try:
            await self._anchor.put(f"checkpoint-{size:020d}", note)
            self._reached = size
        except Unanchored as error:
            log.error("checkpoint %d is not anchored at %s: %s", size, self._anchor.name, error)


async def keep_anchoring(
    own: Path, opened: Callable[[], Checkpoints], anchor: Anchor, seconds: float
) -> None:
    """For ever, whenever no other gateway of this state directory does, which is who holds the lock of this place."""
    while True:
        held = await asyncio.to_thread(lock, own)
        if held is None:
            await asyncio.sleep(WAITS)
            continue
        try:
            with closing(await asyncio.to_thread(opened)) as checkpoints:
                anchoring = Anchoring(checkpoints, anchor)
                while True:
                    await anchoring.catch_up()
                    await asyncio.sleep(seconds)
        except (JournalError, OSError) as error:
            log.error("checkpoints are not anchored: %s", error)
            await asyncio.sleep(50 * LOOK_SECONDS)
        finally:
            os.close(held)
