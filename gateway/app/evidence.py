"""Wires the Merkle log over the journal of one state directory: for the gateway that keeps it up, and for commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.app.gateway import microseconds
from gateway.evidence.checkpoint import Notary
from gateway.evidence.sequencer import FILE, Anchor, Sequencer, keep_sequencing
from gateway.evidence.tiles import Tiles
from gateway.evidence.warrant import Registry
from gateway.journals.sqlite import SqliteReader
from gateway.journals.tilefile import TileFile

JOURNAL: Final = "journal.db"


def open_sequencer(state_dir: Path, anchors: Sequence[Anchor] = ()) -> Sequencer:
    """Raises `Misconfigured`, `JournalError`."""
    kept = open_tiles(state_dir)
    return Sequencer(
        SqliteReader(state_dir / JOURNAL),
        Tiles(kept),
        kept,
        Notary.open(state_dir),
        microseconds,
        anchors,
    )


def open_tiles(state_dir: Path) -> TileFile:
    """The log's hashes and checkpoints. Raises `JournalError`."""
    return TileFile(state_dir / FILE)


def open_registry(state_dir: Path) -> Registry:
    """What warrants are made from. Raises `Misconfigured`, `JournalError`."""
    kept = open_tiles(state_dir)
    reader = SqliteReader(state_dir / JOURNAL)
    return Registry(reader, kept, Tiles(kept).node, Notary.open(state_dir))


@asynccontextmanager
async def sequenced(state_dir: Path) -> AsyncIterator[None]:
    """The log is kept up while this is entered. What it cannot do is logged and stops no call."""
    keeping = asyncio.create_task(keep_sequencing(state_dir, lambda: open_sequencer(state_dir)))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
