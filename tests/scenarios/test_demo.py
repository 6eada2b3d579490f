"""The rest of `make demo`, in a place with a blank in its path: what it tells a person to type can be typed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from gateway.stories.stage import free_port
from tests.house.source import ROOT


def checkout(tmp_path: Path) -> list[str]:
    """What begins the demo there."""
    place = tmp_path / "a checkout"
    (place / "scenarios").mkdir(parents=True)
    shutil.copy(ROOT / "scenarios" / "demo.py", place / "scenarios")
    shutil.copytree(ROOT / "policies", place / "policies")
    return [sys.executable, "-u", str(place / "scenarios" / "demo.py")]


@contextmanager
def demo_in(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """Its process, where it listens, and what it says until it serves. It still does."""
    words = checkout(tmp_path)
    listen = f"127.0.0.1:{free_port()}"
    env = os.environ | {"BULKHEAD_DEMO_LISTEN": listen}
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C stops"):
                break
        yield demo, listen, lines


@pytest.fixture
def told(tmp_path: Path) -> Iterator[list[str]]:
    with demo_in(tmp_path) as (demo, _, lines):
        yield lines
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
    assert demo.returncode == 0


def test_ended_from_outside_it_leaves_no_gateway_behind(tmp_path: Path) -> None:
    with demo_in(tmp_path) as (demo, listen, _):
        demo.terminate()  # as make does with its children: to this process, not to its group
    assert demo.returncode == 0
    with pytest.raises(URLError):
        urlopen(f"http://{listen}/healthz", timeout=5)


def test_where_another_gateway_serves_it_gives_nobody_that_ones_address(tmp_path: Path) -> None:
    with demo_in(tmp_path / "first") as (demo, listen, _):
        second = subprocess.run(
            checkout(tmp_path / "second"),
            env=os.environ | {"BULKHEAD_DEMO_LISTEN": listen},
            capture_output=True,
            text=True,
            timeout=60,
        )
        demo.terminate()
    assert second.returncode == 1 and second.stdout == ""
    assert second.stderr.startswith(f"{listen} is already in use: stop what listens there")


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_command_it_prints_can_be_typed(told: list[str]) -> None:
    [typed] = [line for line in told if " journal list " in line]
    subprocess.run(["bash", "-c", typed], check=True, timeout=60)
