"""One at a time by name, among all gateway processes of a state directory: a byte of a file stands for each name.

The kernel takes a byte back when the process that holds it ends, however it ends. It knows nothing of what is done.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from gateway.errors import JournalError, Misconfigured, Where

SECONDS: Final = 10.0
"""How long another process is waited for."""
_PAUSE: Final = 0.02


class Once:
    """Over one file, which nothing else in this process may open: closing it would let go of every byte."""

    def __init__(self, path: Path) -> None:
        """Raises `Misconfigured`."""
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(f"security events: {error.strerror}", Where(str(path))) from None
        self._here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Nobody else is in it for this name. Raises `JournalError`: another process has been for too long."""
        here = self._here.setdefault(name, asyncio.Lock())
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        place = int.from_bytes(digest) >> 2  # an offset has a sign
        async with here:
            await self._take(place)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Done with it."""
        os.close(self._file)

    async def _take(self, place: int) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    if self._is_taken(place):
                        return
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise JournalError("another gateway process has not seen it through") from None

    def _is_taken(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX has both say that somebody holds it
            return False
        return True
