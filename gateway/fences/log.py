"""The fence log: one file in the state directory that only grows, a line for each fence set or lifted.

Its length is its epoch: asking whether anything is new is one system call. Whoever may write to the
state directory can set a fence; no gateway need run, no database need be free, no port need answer.
A line counts once it is whole: what a power cut left of one was never acknowledged.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.core.fence import Fence
from gateway.errors import JournalError, Misconfigured, Where
from gateway.files.private import make_private
from gateway.values import as_plain, from_plain

FILE: Final = "fences.jsonl"
CUT: Final = b"\x18"
"""Put after what a power cut left of a line. JSON has none in it."""


class FenceLog:
    """The log of one state directory, read on from where it was read before. Looking raises `OSError` when
    the disk fails."""

    def __init__(self, state_dir: Path) -> None:
        """Raises `Misconfigured` when the file cannot be made or opened."""
        self.path = state_dir / FILE
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            make_private(state_dir)
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise Misconfigured(f"fences: {error.strerror}", Where(str(self.path))) from None
        self.length = partial(os.lseek, self._fd, 0, os.SEEK_END)
        """Bytes so far: another number means another state. One system call, and nothing around it."""
        self._standing: dict[tuple[str, str, str], Fence] = {}
        self._read = 0
        """Bytes that have been taken up, and lines."""
        self._lines = 0

    @property
    def is_ours(self) -> bool:
        """Is the file still the one at its path? Doubt is a no."""
        try:
            return os.stat(self.path).st_ino == os.fstat(self._fd).st_ino
        except OSError:
            return False

    def fence(self, *fences: Fence) -> None:
        """Stop these. Durable on return, and seen by every gateway at its next look. Raises `JournalError`."""
        self._write([{"fence": as_plain(fence)} for fence in fences])

    def lift(self, lifted: Sequence[Fence], by: str, why: str, at: int) -> None:
        """These stop nothing any more. Durable on return. Raises `JournalError`."""
        rows = [{"scope": f.scope, "value": f.value, "tenant": f.tenant} for f in lifted]
        self._write([{"lift": row, "by": by, "why": why, "at": at} for row in rows])

    def read(self) -> tuple[Fence, ...]:
        """What is fenced now, oldest first. Raises `Misconfigured` at the line that is none of ours, and for a
        log that was cut."""
        size = self.length()
        if size < self._read:
            raise Misconfigured("it has become shorter", Where(str(self.path)))
        news = os.pread(self._fd, size - self._read, self._read)
        for line in news[: news.rfind(b"\n") + 1].splitlines(keepends=True):
            self._take(line.rstrip(b"\n"))
            self._read += len(line)
            self._lines += 1
        return tuple(self._standing.values())

    def close(self) -> None:
        """Done with it."""
        os.close(self._fd)

    def _take(self, line: bytes) -> None:
        """One more line. Raises `Misconfigured`; it is then not taken, and is met again."""
        if line.endswith(CUT):
            return
        try:
            said = json.loads(line)
            if "fence" in said:
                fence = from_plain(Fence, said["fence"])
                self._standing.setdefault((fence.scope, fence.value, fence.tenant), fence)
            else:
                lift = said["lift"]
                self._standing.pop((lift["scope"], lift["value"], lift.get("tenant", "")), None)
        except (ValueError, KeyError, TypeError):
            raise Misconfigured("not a fence", Where(str(self.path), self._lines + 1)) from None

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        try:
            self._append(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        except OSError as error:
            raise JournalError(f"{self.path}: not fenced: {error.strerror}") from None

    def _append(self, lines: bytes) -> None:
        with self._locked():
            size = self.length()
            torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"
            whole = CUT + b"\n" + lines if torn else lines
            if os.write(self._fd, whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
