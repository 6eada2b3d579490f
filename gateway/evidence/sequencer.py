"""Takes the journal's sealed lines into the Merkle log and signs checkpoints: off the hot path, in its own thread.

A line is sealed first and sequenced a moment later; no call waits for it. The line numbered n is leaf
n - 1: the journal numbers its lines without gaps, in the order they were committed, and a gap means that
somebody took lines out. Of several gateways on one journal one sequences at a time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import JournalError, Misconfigured
from gateway.evidence.checkpoint import Notary
from gateway.evidence.tiles import Tiles
from gateway.evidence.verify import leaf_hash
from gateway.files.alone import taken
from gateway.finishing import to_its_end

log = logging.getLogger("bulkhead.evidence")

FILE: Final = "evidence.db"
LOOK_SECONDS: Final = 0.2
BATCH: Final = 1_024
"""Lines hashed in one go: the interpreter is kept for a few milliseconds at most."""


class Events(Protocol):
    """Where sealed lines are read."""

    def bodies(self, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Numbers and exact bytes of the lines after number `after`, in order."""
        ...


class Checkpoints(Protocol):
    """Where signed checkpoints are kept (journals/tilefile.py)."""

    def keep(self, size: int, at: int, note: str) -> None: ...


class Sequencer:
    """Keeps one log up with one journal."""

    def __init__(
        self,
        events: Events,
        tiles: Tiles,
        checkpoints: Checkpoints,
        notary: Notary,
        clock: Callable[[], int],
        every_lines: int,
        every_seconds: float,
    ) -> None:
        """`clock`: microseconds since the epoch. A checkpoint is signed after so many lines, or after so many seconds
        if there is anything new."""
        self._events = events
        self._tiles = tiles
        self._checkpoints = checkpoints
        self._notary = notary
        self._clock = clock
        self._every_lines = every_lines
        self._every = int(every_seconds * 1e6)
        self._signed_at: int | None = None
        self._size = tiles.size
        self._signed = 0
        self._goes_on = False
        """Was the journal seen to go on from where the log ends?"""

    def catch_up(self) -> int:
        """Take in every line there is, sign what they came to. Returns how many lines the log has.

        Raises `JournalError`, also when the journal's lines are not those that must come next."""
        self._check_end()
        while rows := self._events.bodies(self._size, BATCH):
            self._tiles.append([leaf_hash(body) for _, body in self._following(rows)])
            self._size += len(rows)
            if self._size - self._signed >= self._every_lines:
                self.sign()
        if self._size > self._signed and self._is_time():
            self.sign()
        return self._size

    def sign(self) -> None:
        """A checkpoint of the log as it is."""
        checkpoint, now = self._tiles.root(), self._clock()
        self._checkpoints.keep(checkpoint.size, now, self._notary.note(checkpoint))
        self._signed, self._signed_at = checkpoint.size, now

    def _is_time(self) -> bool:
        # Also when the clock was set back: it may take a day to come to where it was.
        return self._signed_at is None or not 0 <= self._clock() - self._signed_at < self._every

    def _check_end(self) -> None:
        """Once. An older copy of the journal grows past the end of the log, and must not be signed as what follows."""
        if not self._goes_on and self._size:
            last = self._events.bodies(self._size - 1, 1)
            if [leaf_hash(body) for _, body in last] != [self._tiles.node(0, self._size - 1)]:
                raise JournalError(
                    f"line {self._size} is the last in the log, and in the journal it is missing or another:"
                    " somebody took lines out, or put an older copy there"
                )
        self._goes_on = True

    def _following(self, rows: Sequence[tuple[int, bytes]]) -> Sequence[tuple[int, bytes]]:
        if rows[-1][0] != self._size + len(rows):
            raise JournalError(
                f"line {self._size + 1} of the journal is missing: somebody took lines out"
            )
        return rows


async def keep_sequencing(directory: Path, sequencer: Callable[[], Sequencer]) -> None:
    """Sequence for ever, whenever no other gateway of this state directory does."""
    while True:
        with_lock = await asyncio.to_thread(lock, directory / "evidence.lock")
        if with_lock is None:
            await asyncio.sleep(10 * LOOK_SECONDS)
            continue
        try:
            working = await asyncio.to_thread(sequencer)
            while True:
                # A thread goes on when nobody waits for it any more: the lock is its own until it is done.
                await to_its_end(asyncio.to_thread(working.catch_up))
                await asyncio.sleep(LOOK_SECONDS)
        except (JournalError, Misconfigured, OSError) as error:
            log.error("the journal's evidence is not kept up: %s", error)
            await asyncio.sleep(50 * LOOK_SECONDS)
        finally:
            os.close(with_lock)


def lock(path: Path) -> int | None:
    """Held while the descriptor is open, also by a process that is killed: then by nobody. None: somebody has it,
    or it cannot be had now (the disk is full, too many files are open)."""
    try:
        return taken(path)
    except OSError as error:
        log.error("%s: %s", path, error.strerror)
        return None
