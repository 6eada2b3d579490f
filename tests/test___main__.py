"""How a command ends: as the first process of a container, and where the machine has too little."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gateway import __main__
from gateway.cli import root

ROOT = Path(__file__).parents[1]


def test_it_ends_when_it_is_told_to_while_it_starts() -> None:
    """The kernel keeps from the first process what it does not listen for, and a start takes a while."""
    reading, writing = os.pipe()  # settings that are never said to their end
    first = ["unshare", "--pid", "--fork", "--kill-child"]
    words = [*first, sys.executable, "-m", "gateway", "serve", "-c", f"/dev/fd/{reading}"]
    if subprocess.run([*first, "true"], capture_output=True, timeout=20).returncode:
        pytest.skip("may not make a container here")
    with subprocess.Popen(words, cwd=ROOT, pass_fds=[reading], stderr=subprocess.PIPE) as outer:
        try:
            assert ended(outer) == 130
        finally:
            outer.kill()
            os.close(reading)
            os.close(writing)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOSPC])
def test_what_the_machine_has_no_more_of_is_said_in_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where no file is named: a socket and a pipe have no name."""

    def short(**_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(root, "main", short)
    monkeypatch.setattr(__main__, "print_no_more", lambda: None)
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"bulkhead: {os.strerror(number)}\n"


def ended(outer: subprocess.Popen[bytes]) -> int | None:
    """How, when it has been told often enough that it was told while it listened."""
    for _ in range(200):
        for process in psutil.Process(outer.pid).children():
            process.terminate()
        try:
            return outer.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    return None
