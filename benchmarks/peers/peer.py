"""What a peer is to the benchmark: something to start before the fixture, that then takes the small call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

from benchmarks import fixture
from benchmarks.load import Target

JSON = dict[str, Any]
STDIO: Final = (sys.executable, fixture.__file__, "--stdio")
"""The fixture, for those who start a tool server themselves."""
PATIENCE: Final = 120.0


class CannotStart(Exception):
    """It is installed, and does not serve."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A peer that answers."""

    target: Target
    process: psutil.Process
    era: str = "stateless"
    tool: str = "echo"
    over_http: bool = True
    """How it reaches the fixture; over stdio it is not counted what does."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One other gateway. `serve` is given the fixture's port and a directory of its own."""

    name: str
    version: Callable[[], str]
    """Installs it, too."""
    serve: Callable[[int, Path], AbstractContextManager[Serving]]


@contextmanager
def running(
    command: list[str], home: Path, environment: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """A process in a group of its own, and all of that group gone afterwards. Its words are in home/log."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until_answering(process: psutil.Process, url: str, home: Path) -> None:
    """Returns when there is any HTTP answer. Raises `CannotStart` with the end of the log."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.is_running():
        if process.status() == psutil.STATUS_ZOMBIE:
            break
        try:
            urlopen(url, timeout=5).close()
            return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise CannotStart((home / "log").read_text(errors="replace")[-600:])
