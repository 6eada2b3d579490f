"""A file that one process at a time holds: the kernel takes the lock back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def taken(path: Path) -> int | None:
    """The descriptor that holds the file, made if need be, until it is closed; None: somebody has it. Never waits.
    Who holds it may take it away. Raises `OSError` where it cannot be had (the disk is full, too many files are
    open)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    if os.fstat(descriptor).st_nlink:
        return descriptor
    os.close(descriptor)  # it was taken away meanwhile: whoever comes later makes another one
    return None
