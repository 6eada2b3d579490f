"""Wires what warrants are made from, and who may have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.gate.receipts import Receipts
from gateway.settings import JOURNAL, Settings

if TYPE_CHECKING:  # loaded by who makes a warrant
    from gateway.evidence.warrant import Registry
    from gateway.journals.tilefile import TileFile


def open_tiles(state_dir: Path) -> TileFile:
    """The log's hashes and checkpoints. Raises `JournalError`."""
    from gateway.evidence.sequencer import FILE
    from gateway.journals.tilefile import TileFile

    return TileFile(state_dir / FILE)


def open_registry(state_dir: Path) -> Registry:
    """What warrants are made from. Raises `Misconfigured`, `JournalError`."""
    from gateway.evidence.checkpoint import Notary
    from gateway.evidence.tiles import Tiles
    from gateway.evidence.warrant import Registry
    from gateway.journals.sqlite import SqliteReader

    kept = open_tiles(state_dir)
    reader = SqliteReader(state_dir / JOURNAL)
    return Registry(reader, kept, Tiles(kept).node, Notary.open(state_dir))


def receipts(settings: Settings) -> Receipts:
    """Warrants name rules and files, so hosts get them only where the operator says so."""
    if settings.evidence.warrants != "hosts":
        return Receipts(None)
    from gateway.evidence.giving import LiveWarrants

    return Receipts(LiveWarrants(lambda: open_registry(settings.state_dir)))
