"""What `bulkhead rollback` and `bulkhead task` will not be told."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gateway.cli.rollback_text import Progress, print_report
from gateway.undo.report import Report
from gateway.undo.thread import Found
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
        ("--agent", "a,b", "--yes"),
        ("--tenant", "a b", "--yes"),
        ("--tenant", "*", "--yes"),
        ("--task", "t/u", "--yes"),
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


def test_that_nothing_wrote_a_resource_is_said_of_calls_it_is_known_of(home: Home) -> None:
    """Which resources a call without an undo pack wrote nobody knows: it is in no resource's scope."""
    home.must("contain", "--task", "night", "--no-undo")
    told = home.must("rollback", "--resource", "file:/srv/notes", "--plan")
    assert told == "No call in this scope is known to have changed anything."


def test_a_task_is_begun_confirmed_and_listed(home: Home) -> None:
    home.must("task", "begin", "night", "--as", "o")
    assert home.run("task", "begin", "night", "--as", "o").returncode == 1
    assert "night  open until" in home.must("task", "list")
    assert home.must("task", "confirm", "night").endswith("confirmed")
    assert home.run("task", "confirm", "night").returncode == 1
    ran = home.run("task", "begin", "night\x1b[2J", "--as", "o")
    assert ran.returncode == 2
    assert "\x1b" not in ran.stderr


def test_what_it_cannot_tell_is_told_after_it_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report("u", {"c": Found("restored")}, untold=("d1", "d2", "d3", "d4")), {})
    told = capsys.readouterr().out.splitlines()
    assert told[1:] == [
        "Not in it, as nobody knows which resources they write: 4 calls, d2, d3, d4 and 1 more",
        "complete_with_residue, undo u",
    ]


def test_a_name_nobody_is_on_record_by_is_not_undone_unsaid(home: Home) -> None:
    home.must("contain", "--task", "night", "--no-undo")
    names = ("--agent", "agent agent:ann"), ("--task", "task ann"), ("--grant", "grant ann")
    for scope, of in names:
        ran = home.run("rollback", scope, "ann", "--yes", "--as", "ada")
        assert (ran.returncode, ran.stderr) == (0, f"bulkhead: nothing is on record of {of}\n")
        assert ran.stdout == (
            "No call in this scope is known to have changed anything.\ncomplete\n"
        )


@pytest.mark.parametrize(("terminal", "seconds"), [(True, [0, 1, 2]), (False, [10, 20])])
def test_progress_is_told_every_second_on_a_terminal_and_now_and_then_in_a_log(
    terminal: bool, seconds: list[int]
) -> None:
    """A rollback of 5,000 calls takes minutes; as a line for each it would be 10,000."""
    heard = StringIO()
    now = iter([0.0, *(tenth / 10 for tenth in range(0, 10 * seconds[-1] + 5))])
    screen = Console(file=heard, force_terminal=terminal, color_system=None)
    progress = Progress(screen, lambda: next(now))
    for tenth in range(0, 10 * seconds[-1] + 5):
        progress(f"call {tenth} of 9\x1b")
    assert heard.getvalue() == "".join(f"call {10 * second} of 9\\x1b\n" for second in seconds)


def test_what_an_undo_waits_for_is_told_at_once() -> None:
    """It may wait for as long as its server has: `looking at call 1 of 1` stood there for that time."""
    heard = StringIO()
    progress = Progress(Console(file=heard, force_terminal=True, color_system=None), lambda: 0.0)
    for said in ("looking at call 1 of 1", "looking at call 2 of 2", "it is waited for"):
        progress(said)
    assert heard.getvalue() == "looking at call 1 of 1\nit is waited for\n"
