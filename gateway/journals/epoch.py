"""A number all processes of one machine share, that only grows: something that matters has changed since.

A file that gets longer by one byte at each change; asking is one system call. It knows nothing of what
changed.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from gateway.files.private import make_private


class Epoch:
    """The number in one file. Raises `OSError` when the file cannot be made or asked."""

    def __init__(self, path: Path) -> None:
        make_private(path.parent)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.now = partial(os.lseek, self._fd, 0, os.SEEK_END)
        """The number. One system call, and nothing around it."""

    def grow(self) -> None:
        """Whoever asks from now on gets a larger number. Call it when the change can be seen."""
        os.write(self._fd, b"\n")

    def close(self) -> None:
        """Done with it."""
        os.close(self._fd)
