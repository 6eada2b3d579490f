"""Directories and files for their owner alone. `mkdir -p` leaves those above the last to the umask; this does not."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path


def make_private(directory: Path) -> None:
    """Make it, and what is missing above it, each with mode 0700. One that is there stays. Raises `OSError`."""
    missing = takewhile(lambda place: not place.is_dir(), (directory, *directory.parents))
    for place in reversed([*missing]):
        place.mkdir(mode=0o700, exist_ok=True)


def make_file(path: Path) -> None:
    """An empty one only its owner may read, its name durable; nothing when there is one. Raises `OSError`."""
    make_private(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
