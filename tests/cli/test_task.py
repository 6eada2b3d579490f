"""`bulkhead task`: what is said of a task that nobody knows."""

from __future__ import annotations

from pathlib import Path

from tests.system.home import Home, intents

INTENTS = intents(["store"], ["data"])


def test_a_task_that_nobody_knows_did_not_fail(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    home.grant("ann", task="nightly")
    slip = home.run("task", "failed", "nigthly", "--as", "ada")
    assert (slip.returncode, slip.stdout) == (1, "")
    assert "nobody knows a task nigthly" in slip.stderr
    assert home.must("task", "list") == ""
    known = home.must("task", "failed", "nightly", "--as", "ada")
    begun = home.run("task", "begin", "early", "--as", "ada")
    failed = home.must("task", "failed", "early", "--as", "ada")
    assert begun.returncode == 0
    assert known == "nightly  undone: there was nothing to undo"
    assert failed == "early  undone: there was nothing to undo"


def test_a_file_that_is_no_task_is_told_beside_the_tasks(tmp_path: Path) -> None:
    home = Home.idle(tmp_path / "home", INTENTS)
    home.must("task", "begin", "early", "--as", "ada")
    (home.root / ".bulkhead" / "tasks" / "torn.json").write_text('{"task": ')
    listed = home.run("task", "list")
    assert listed.returncode == 2
    assert listed.stdout.startswith("early") and "torn.json" in listed.stderr
