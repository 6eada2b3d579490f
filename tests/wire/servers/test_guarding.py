"""Our end of the guard, when the guard is gone and the machine has nothing left to start another one with."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import psutil
import pytest

from gateway.wire.servers import guarding


def guards() -> list[psutil.Process]:
    ours = psutil.Process().children()
    return [one for one in ours if any("stdio_guard" in word for word in one.cmdline())]


def test_a_guard_that_cannot_be_started_again_now_is_started_later_and_nothing_else_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipe's number is soon another file's: of all files, it could be the journal's."""
    before = guards()
    guard = guarding.Guard()
    guard.watch(2_000_000_001)
    [own] = [one for one in guards() if one not in before]
    own.send_signal(signal.SIGKILL)
    own.wait(20)

    def full() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as machine:
        machine.setattr(os, "pipe", full)
        with pytest.raises(OSError, match="Too many"):
            guard.watch(2_000_000_002)
    others = [os.open(tmp_path / str(number), os.O_RDWR | os.O_CREAT) for number in range(8)]
    guard.forget(2_000_000_002)
    written = [os.fstat(other).st_size for other in others]
    [again] = [one for one in guards() if one not in before]
    for other in others:
        os.close(other)
    again.kill()
    again.wait(20)
    assert written == [0] * 8
