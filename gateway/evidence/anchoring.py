"""Takes signed checkpoints where this installation cannot change them: what only that can show stands in
docs/explanation/evidence.md.

The newest one goes out every so often, in a thread of its own, so that a slow place holds up nothing. A place
that fails is tried again with the next one. Of several gateways on one state directory one does it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import JournalError
from gateway.evidence.proof import size_of
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

    def put(self, name: str, note: str) -> None:
        """It has the note under this name, durably, on return. The same again is no error.

        Raises `Unanchored`."""
        ...


class Checkpoints(Protocol):
    """Where signed checkpoints are kept (journals/tilefile.py)."""

    def checkpoint(self, covering: int = 0) -> str | None: ...

    def close(self) -> None: ...


class Anchoring:
    """What each place has."""

    def __init__(self, checkpoints: Checkpoints, anchors: Sequence[Anchor]) -> None:
        self._checkpoints = checkpoints
        self._anchors = anchors
        self._reached = [0] * len(anchors)

    def catch_up(self) -> None:
        """The newest checkpoint, to each place that has not got it. Raises `JournalError`."""
        note = self._checkpoints.checkpoint()
        size = size_of(note) if note else 0
        for number, anchor in enumerate(self._anchors):
            if note is not None and size > self._reached[number]:
                try:
                    anchor.put(f"checkpoint-{size:020d}", note)
                    self._reached[number] = size
                except Unanchored as error:
                    log.error("checkpoint %d is not anchored at %s: %s", size, anchor.name, error)

    def close(self) -> None:
        """Close the file."""
        self._checkpoints.close()


async def keep_anchoring(
    directory: Path, opened: Callable[[], Checkpoints], anchors: Sequence[Anchor], seconds: float
) -> None:
    """For ever, if there is any place, whenever no other gateway of this state directory does."""
    while anchors:
        held = await asyncio.to_thread(lock, directory / "anchor.lock")
        if held is None:
            await asyncio.sleep(WAITS)
            continue
        try:
            anchoring = Anchoring(await asyncio.to_thread(opened), anchors)
            try:
                while True:
                    await asyncio.to_thread(anchoring.catch_up)
                    await asyncio.sleep(seconds)
            finally:
                anchoring.close()
        except (JournalError, OSError) as error:
            log.error("checkpoints are not anchored: %s", error)
            await asyncio.sleep(50 * LOOK_SECONDS)
        finally:
            os.close(held)
