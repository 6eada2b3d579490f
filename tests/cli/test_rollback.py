"""What `bulkhead rollback` and `bulkhead task` will not be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.idle(tmp_path / "home")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--plan",),
        ("--resume", "u", "--task", "t"),
        ("--task", "t", "--as", "two words"),
        ("--task", "t", "--since", "yesterday"),
    ],
)
def test_words_that_name_no_scope_or_two_are_wrong(home: Home, words: tuple[str, ...]) -> None:
    ran = home.run("rollback", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Traceback" not in ran.stderr


def test_without_a_journal_there_is_nothing_to_undo_and_it_says_so(home: Home) -> None:
    ran = home.run("rollback", "--task", "t", "--plan")
    assert ran.returncode == 2
    assert "no journal here yet" in ran.stderr


def test_a_task_is_begun_confirmed_and_listed(home: Home) -> None:
    home.must("task", "begin", "night", "--as", "o")
    assert home.run("task", "begin", "night", "--as", "o").returncode == 1
    assert "night  open until" in home.must("task", "list")
    assert home.must("task", "confirm", "night").endswith("confirmed")
    assert home.run("task", "confirm", "night").returncode == 1
    ran = home.run("task", "begin", "night\x1b[2J", "--as", "o")
    assert ran.returncode == 2
    assert "\x1b" not in ran.stderr
