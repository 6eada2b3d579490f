"""Directories for their owner alone. `mkdir -p` leaves those above the last to the umask; this does not."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path


def make_private(directory: Path) -> None:
    """Make it, and what is missing above it, each with mode 0700. One that is there stays. Raises `OSError`."""
    missing = takewhile(lambda place: not place.is_dir(), (directory, *directory.parents))
    for place in reversed([*missing]):
        place.mkdir(mode=0o700, exist_ok=True)
