"""Which process holds the write lock of an SQLite file in WAL mode, where the kernel tells (Linux).

The list of all locks is read. To ask about this one takes a descriptor, and to close that drops every lock this
process has on the file (sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_LOCKS: Final = Path("/proc/locks")
_WRITER: Final = 120
"""The byte of `-shm` that a writer locks: WAL_WRITE_LOCK (sqlite.org/walformat.html, 2.3.1)."""


def holder(database: Path) -> int | None:
    """Its process id. None when nobody holds it, or it cannot be told."""
    try:
        inode = os.stat(f"{database}-shm").st_ino
        locks = _LOCKS.read_text().splitlines()
    except OSError:
        return None
    for lock in locks:
        match lock.split():
            # Not by the device: some file systems have another one here than in `stat`.
            case [_, "POSIX", _, "WRITE", pid, place, first, last] if place.endswith(
                f":{inode}"
            ) and int(first) <= _WRITER <= int(last):
                return int(pid) if int(pid) > 0 else None
    return None
