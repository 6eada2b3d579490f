"""Wires the Merkle log over the journal of one state directory: for the gateway that keeps it up, and for commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.app.clock import microseconds
from gateway.app.meanwhile import meanwhile
from gateway.app.warrants import open_tiles
from gateway.config.proofs import Evidence
from gateway.evidence.anchoring import Anchor, keep_anchoring
from gateway.evidence.checkpoint import Notary
from gateway.evidence.sequencer import Sequencer, keep_sequencing
from gateway.evidence.tiles import Tiles
from gateway.journals.sqlite import SqliteReader
from gateway.settings import JOURNAL, Settings


def open_sequencer(state_dir: Path, every: Evidence | None = None) -> Sequencer:
    """Raises `Misconfigured`, `JournalError`."""
    kept, every = open_tiles(state_dir), every or Evidence()
    return Sequencer(
        SqliteReader(state_dir / JOURNAL),
        Tiles(kept),
        kept,
        Notary.open(state_dir),
        microseconds,
        every.checkpoint_lines,
        every.checkpoint_seconds,
    )


@asynccontextmanager
async def sequenced(settings: Settings, anchors: Sequence[Anchor]) -> AsyncIterator[None]:
    """The log is kept up, and taken to the anchors, while this is entered. What cannot be done is logged and
    stops no call."""
    state, evidence = settings.state_dir, settings.evidence
    async with meanwhile(
        keep_sequencing(state, lambda: open_sequencer(state, evidence)),
        *(
            keep_anchoring(
                state / f"anchor-{number}.lock",
                lambda: open_tiles(state),
                anchor,
                evidence.anchor_seconds,
            )
            for number, anchor in enumerate(anchors)
        ),
    ):
        yield
