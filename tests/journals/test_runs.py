"""A run is alive exactly as long as its process: the kernel says so, not a file's content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gateway.journals.runs import Run, is_gone, one_at_a_time, sweep

HOLD = """
import sys
from pathlib import Path
from gateway.journals.runs import Run, one_at_a_time
with one_at_a_time(Path(sys.argv[1])):
    run = Run(Path(sys.argv[1]))
{more}
print(run.id, flush=True)
sys.stdin.read()
"""


def holder(place: Path, more: str = "") -> tuple[subprocess.Popen[str], str]:
    """Another process with a run of its own, and the run's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(more=more), str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=20)


def test_a_run_lives_until_it_ends(tmp_path: Path) -> None:
    run = Run(tmp_path)
    alive = is_gone(tmp_path, run.id)
    run.end()
    assert (alive, is_gone(tmp_path, run.id)) == (False, True)
    assert list(tmp_path.glob("*.lock")) == []


def test_a_run_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    process, run = holder(tmp_path)
    alive = is_gone(tmp_path, run)
    kill(process)
    assert (alive, is_gone(tmp_path, run)) == (False, True)


def test_a_tool_server_that_outlives_the_gateway_does_not_keep_its_run_alive(
    tmp_path: Path,
) -> None:
    more = "import subprocess; child = subprocess.Popen([sys.executable, '-c', 'input()'])"
    process, run = holder(tmp_path, more)
    kill(process)
    assert is_gone(tmp_path, run)


def test_the_dead_are_swept_and_the_living_are_not(tmp_path: Path) -> None:
    process, dead = holder(tmp_path)
    living = Run(tmp_path)
    kill(process)
    before = {path.stem for path in tmp_path.glob("*.lock")}
    with one_at_a_time(tmp_path):
        sweep(tmp_path)
    after = {path.stem for path in tmp_path.glob("*.lock")}
    living.end()
    assert (before, after) == ({dead, living.id}, {living.id})


def test_no_two_runs_have_the_same_id(tmp_path: Path) -> None:
    runs = [Run(tmp_path) for _ in range(20)]
    for run in runs:
        run.end()
    assert len({run.id for run in runs}) == 20
