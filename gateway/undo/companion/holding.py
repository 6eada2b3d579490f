"""Who holds a file open to write in it: what is put in its place is not what such a process goes on with.

A database that its server keeps open is written again from what that server remembers, its journal too. The log of
a process that keeps nothing else open is not: that one only appends. Linux alone can tell, and of one's own processes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
Inode = tuple[int, int]


def holder(inodes: Collection[Inode], root: str, ours: int) -> tuple[int, Inode] | None:
    """A process that does, and which of these files (device and number). Not one that `ours` has started: a
    rollback starts tool servers of its own, which end with it. `root`: where all its files lie."""
    for pid in (int(name) for name in os.listdir(_PROCESSES) if name.isdigit()):
        held = _held(_PROCESSES / str(pid), inodes, root) if pid != os.getpid() else None
        if held is not None and not _is_below(pid, ours):
            return pid, held
    return None


def _held(process: Path, inodes: Collection[Inode], root: str) -> Inode | None:
    found = list(_written_below(process, root))
    if all(flags & os.O_APPEND for _, flags in found):
        return None
    return next((inode for inode, _ in found if inode in inodes), None)


def _written_below(process: Path, root: str) -> Iterator[tuple[Inode, int]]:
    """The files it may write, and how they are opened. Nothing of a process that has ended, or is somebody else's."""
    try:
        handles = list((process / "fd").iterdir())
    except OSError:
        return
    for handle in handles:
        with suppress(OSError):  # it was closed meanwhile
            if os.readlink(handle).startswith(f"{root.rstrip('/')}/"):
                about, flags = handle.stat(), _flags(process / "fdinfo" / handle.name)
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    yield (about.st_dev, about.st_ino), flags


def _flags(info: Path) -> int:
    return int(info.read_text().split("flags:")[1].split()[0], 8)


def _is_below(pid: int, above: int) -> bool:
    try:
        while pid > 1 and pid != above:
            pid = int((_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return pid == above
