"""Proofs that were used, by all gateway processes of one state directory: a table in a file, found by digest.

A name stays until its time is over, and is forgotten by no restart. What a power cut took is not known: so proofs that
were made before this table, or before the machine last started, are refused (`since`). Nothing here waits for a disk.
It knows no proof and no key, only names.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Final

from gateway.errors import Misconfigured, Where
from gateway.files.private import make_private

USED: Final = "proof was used before"
FULL: Final = "too many proofs at once"
UNKNOWN: Final = "whether the proof was used before cannot be told now"

BUCKETS: Final = 8_192
WAYS: Final = 64
"""Names of one bucket. Which one a name falls in nobody outside can tell."""
_SLOT: Final = Struct("<16sQ")
_BUCKET: Final = WAYS * _SLOT.size
_HEADER: Final = Struct("<24s16s40sQ")
_MAGIC: Final = b"bulkhead used proofs 1".ljust(24)
_START: Final = 4_096
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PAUSE: Final = 0.001
_TRIES: Final = 250
_FEWER: Final = 5
"""After one that failed, until one succeeds: all calls of this process wait meanwhile."""

log = logging.getLogger("bulkhead.identity")


class Busy(OSError):
    """Another process has held the table for longer than it takes."""


class UsedProofs:
    """The table, opened."""

    def __init__(self, file: Path, now: int) -> None:
        """`now`: seconds since the epoch. Raises `Misconfigured`."""
        self._path = file
        self._tries = _TRIES
        try:
            make_private(file.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(file, flags, 0o600)
            with self._alone():
                self._salt, self.since = self._begin(now)
        except OSError as error:
            raise Misconfigured(
                f"cannot keep used proofs: {_why(error)}", Where(str(file))
            ) from None

    def take(self, name: bytes, until: int, now: int) -> str:
        """It is used now, and stays so `until` a second since the epoch. Empty, or why it cannot be."""
        digest = hashlib.blake2b(name, key=self._salt, digest_size=16).digest()
        place = _START + int.from_bytes(digest[:8]) % BUCKETS * _BUCKET
        try:
            with self._alone():
                said = self._put(place, digest, until, now)
        except OSError as error:
            if self._tries == _TRIES:
                log.error("%s: %s: no proof is taken until it can be kept", self._path, _why(error))
            self._tries = _FEWER
            return UNKNOWN
        self._tries = _TRIES
        return said

    def close(self) -> None:
        """Done with it."""
        os.close(self._file)

    def _begin(self, now: int) -> tuple[bytes, int]:
        """What names are hidden by, and since when all used ones are in it."""
        boot = _boot().ljust(40)
        header = os.pread(self._file, _HEADER.size, 0).ljust(_HEADER.size)
        magic, salt, before, since = _HEADER.unpack(header)
        if magic != _MAGIC:
            os.ftruncate(self._file, 0)  # what is no table of ours would count as used names
            salt = secrets.token_bytes(16)
        elif before == boot and boot.strip() and since <= now:
            return salt, since
        os.pwrite(self._file, _HEADER.pack(_MAGIC, salt, boot, now), 0)
        return salt, now

    def _put(self, place: int, digest: bytes, until: int, now: int) -> str:
        bucket = os.pread(self._file, _BUCKET, place).ljust(_BUCKET, b"\0")
        free = None
        for number, (held, end) in enumerate(_SLOT.iter_unpack(bucket)):
            if end < now:
                free = number if free is None else free
            elif held == digest:
                return USED
        if free is None:
            return FULL
        written = os.pwrite(self._file, _SLOT.pack(digest, until), place + free * _SLOT.size)
        if written < _SLOT.size:  # a name in two pages, of which the disk had room for one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return ""

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time. Raises `OSError`: one that was stopped in the middle holds nobody up for long."""
        for _ in range(self._tries):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)
        else:
            raise Busy
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _why(error: OSError) -> str:
    return error.strerror or "another process holds it"


def _boot() -> bytes:
    """Which start of the machine this is; empty where it does not say: then each opening is one."""
    try:
        return _BOOT.read_bytes().strip()[:40]
    except OSError:
        return b""
