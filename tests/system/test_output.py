"""Commands whose output cannot be printed: what they do is done all the same, and their exit status says what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.home import Home, intents

INTENTS = intents(["store"], ["data"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.idle(tmp_path / "home", INTENTS)


def run(home: Home, where: Callable[[], int], *words: str, **environment: str) -> tuple[int, str]:
    """Exit status, and what standard error heard. `where`: opens what it prints to."""
    out = where()
    ran = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--config", str(home.config)],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        encoding="latin-1",
        timeout=60,
        env={**os.environ, **environment},
    )
    os.close(out)
    return ran.returncode, ran.stderr


def gone() -> int:
    """A pipe nobody reads."""
    ours, theirs = os.pipe()
    os.close(ours)
    return theirs


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("where", [gone, full])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_who_is_contained_is_contained_to_the_end_though_nobody_hears_of_it(
    home: Home, where: Callable[[], int], form: tuple[str, ...]
) -> None:
    grant = home.grant("ann", task="night")
    status, heard = run(home, where, "contain", "--task", "night", "--yes", "--as", "ada", *form)
    shown = json.loads(home.must("grant", "show", grant, "--json"))
    [fence] = json.loads(home.must("fence", "list", "--json"))[:1]
    assert (status, "Traceback" in heard) == (0, False)
    assert "this could not be printed" in heard
    assert (fence["value"], shown["state"]) == ("night", "revoked")


def test_an_undo_that_came_to_its_end_ends_with_its_own_status(home: Home) -> None:
    home.must("contain", "--task", "night", "--no-undo", "--as", "ada")
    told = run(home, full, "rollback", "--task", "night", "--yes", "--as", "ada")
    unheard, printed = told[1].splitlines()
    assert unheard == "bulkhead: nothing is on record of task night"
    assert printed == "bulkhead: complete; this could not be printed: No space left on device"
    assert told[0] == 0


def test_a_reader_that_has_gone_is_told_nothing(home: Home) -> None:
    home.must("contain", "--task", "night", "--no-undo", "--as", "ada")
    told = run(home, gone, "journal", "list", PYTHONUNBUFFERED="")
    assert told == (1, "")


def test_a_full_disk_is_one_line_also_of_what_only_prints(home: Home) -> None:
    home.must("contain", "--task", "night", "--no-undo", "--as", "ada")
    told = run(home, full, "journal", "list", PYTHONUNBUFFERED="")
    assert told == (2, "bulkhead: No space left on device\n")


def test_a_sign_the_terminal_does_not_have_is_escaped(home: Home) -> None:
    home.must("contain", "--task", "night", "--no-undo", "--as", "ada", "--why", "caf\u00e9 \u2192")
    [call] = home.calls()
    path, words = home.root / "shown", ("journal", "show", call["call_id"])
    path.touch()
    told = run(home, lambda: os.open(path, os.O_WRONLY), *words, PYTHONIOENCODING="latin-1")
    assert told == (0, "")
    assert "caf\u00e9 \\u2192".encode("latin-1") in path.read_bytes()
