"""Who is alive: each gateway process holds a lock on a file of its own for as long as it lives.

The kernel drops the lock when the process ends, however it ends, so a run whose lock is free is
gone. The files lie in `<state>/runs/`; nothing is written into them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.files.private import make_private


class Run:
    """This process's run: its id and its lock."""

    def __init__(self, directory: Path) -> None:
        """Take a new id and hold its lock, inside `one_at_a_time`. Raises `OSError`."""
        make_private(directory)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.id = f"{stamp}-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = _lock_path(directory, self.id)
        # Not inheritable (PEP 446): a tool server that outlives us must not keep us alive.
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def end(self) -> None:
        """Let go. What this run left open is now anybody's to settle."""
        with suppress(OSError):
            self._path.unlink()
        os.close(self._fd)


def is_gone(directory: Path, run: str) -> bool:
    """True when the process of that run has ended."""
    try:
        fd = os.open(_lock_path(directory, run), os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def sweep(directory: Path) -> None:
    """Remove the lock files of runs that are gone. Ids are never used twice, so none can come back.

    Only inside `one_at_a_time`: a run between making its file and locking it looks gone.
    """
    for path in directory.glob("*.lock"):
        if is_gone(directory, path.stem):
            with suppress(FileNotFoundError):
                path.unlink()


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Only one process at a time opens the store: schema changes must not race. Waits for the other."""
    make_private(directory)
    fd = os.open(directory / "opening", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _lock_path(directory: Path, run: str) -> Path:
    return directory / f"{run}.lock"
