"""The tests' end of lives.py: a warm process that is forked for each life, and what its dead leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.lives import MEANT

KILLS = int(os.environ.get("BULKHEAD_TEST_KILLS", "6"))
"""How many processes a test kills; a campaign kills them at every point."""


@dataclass
class Warm:
    """A process that is forked for each life."""

    process: subprocess.Popen[str]
    kills: int = 0

    def live(self, here: Path, scene: str, at: int = 0) -> int:
        """Its exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([str(here), scene, at]) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the warm process is gone"
        self.kills += int(answer) == -signal.SIGKILL
        return int(answer)

    def points(self, here: Path, scene: str) -> list[str]:
        """By name, all that this scene goes through here."""
        assert self.live(here, scene) == 0
        return (here / "points").read_text().splitlines()


@contextmanager
def running() -> Iterator[Warm]:
    """The process; at the end it is said how many lives it ended."""
    words = [sys.executable, "-m", "tests.faults.lives"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        warm = Warm(process)
        yield warm
        sys.stdout.write(f"\n{warm.kills} processes killed\n")
        assert process.stdin is not None
        process.stdin.close()


def begun(here: Path) -> Path:
    (here / "world").mkdir(parents=True)
    for key, value in MEANT.items():
        (here / "world" / key).write_text(value)
    return here


def spread(points: int, most: int) -> list[int]:
    """So many of them as are to be tried, the first and the last among them."""
    if points <= most:
        return list(range(1, points + 1))
    return sorted({1 + round(index * (points - 1) / max(most - 1, 1)) for index in range(most)})


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
