"""A name that nobody can have is a slip of who typed it."""

from __future__ import annotations

from pathlib import Path

from tests.system.home import Home


def test_a_deadline_is_promised_to_no_task_that_can_never_be(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home")
    for command in ("begin", "failed"):
        ran = home.run("task", command, "nightly cleanup", "--as", "ada")
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "'nightly cleanup' is no task's name" in ran.stderr
    assert home.must("task", "list") == ""
