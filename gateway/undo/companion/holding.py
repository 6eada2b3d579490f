"""Who holds a file open for writing: such a process goes on with what it has, not with what is put in the file's place.

A server that keeps its database open writes it again from memory, journal and all. A process whose open files are
all appended to, as a log is, does not. Only Linux can tell, and only of processes of the same user.
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
    """The id of a process that does, and which of `inodes` (device and number) it holds; None if there is none.
    `ours`: what this process has started does not count, for a rollback's own tool servers end with it. `root`: only
    files below it are looked at."""
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
