"""Rows of leases: the everyday way in one statement gives what the careful way gives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.journals import schema
from gateway.journals.leaserows import FEW, Claim, Terms, count, end, grant
from gateway.journals.runs import Run

NOW = 1_000_000
LATER = Terms(until=NOW + 60, quiesce=5)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new journal's file."""
    schema.prepare(tmp_path / "journal.db")
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        yield connection


def took(
    rows: sqlite3.Connection,
    tmp_path: Path,
    call: str,
    *keys: str,
    run: str = "ours",
    now: int = NOW,
    waits: Terms | None = None,
) -> list[int] | str:
    claim = Claim(call, keys, ("server:/s",))
    return grant(rows, claim, LATER, now, run, tmp_path / "runs", waits)


@pytest.mark.parametrize("beside", [False, True])
def test_epochs_go_to_the_keys_held_alone_in_their_order(
    rows: sqlite3.Connection, tmp_path: Path, beside: bool
) -> None:
    """Also when there is a row of another process that lives, so that everything is looked at."""
    other = Run(tmp_path / "runs")
    before = took(rows, tmp_path, "theirs", "file:/z", run=other.id) if beside else []
    epochs = took(rows, tmp_path, "first", "file:/a", "file:/b")
    shares = rows.execute("SELECT key, alone FROM lease WHERE call_id = 'first' ORDER BY epoch")
    held = shares.fetchall()
    other.end()
    first = 3 if before else 1
    assert epochs == [first, first + 1]
    assert held == [("file:/a", 1), ("file:/b", 1), ("server:/s", 0)]


def test_a_call_may_have_more_resources_than_go_into_one_statement(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    keys = [f"file:/{n}" for n in range(FEW + 5)]
    assert took(rows, tmp_path, "first", *keys) == [*range(1, FEW + 6)]
    assert count(rows, "first", "ours") == FEW + 6


def test_a_call_that_only_shares_holds_its_share_once(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    assert took(rows, tmp_path, "first") == []
    assert count(rows, "first", "ours") == 1


def test_another_process_is_in_the_way_while_it_lives(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    other = Run(tmp_path / "runs")
    took(rows, tmp_path, "theirs", "file:/a", run=other.id)
    blocked = took(rows, tmp_path, "ours", "file:/a/b")
    other.end()
    at_once = took(rows, tmp_path, "ours", "file:/a/b")
    when_quiet = took(rows, tmp_path, "ours", "file:/a/b", now=NOW + 10)
    assert (blocked, at_once) == ("theirs", "theirs")
    assert when_quiet == [3]


def test_a_row_whose_term_is_over_is_taken_away(rows: sqlite3.Connection, tmp_path: Path) -> None:
    took(rows, tmp_path, "slow", "file:/a")
    took(rows, tmp_path, "quick", "file:/b", now=NOW + 60)
    assert (count(rows, "slow", "ours"), count(rows, "quick", "ours")) == (0, 2)


def test_what_is_ended_is_gone_at_once_or_at_its_time(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    took(rows, tmp_path, "now", "file:/a")
    took(rows, tmp_path, "soon", "file:/b")
    end(rows, {"now": 0, "soon": NOW + 3})
    left = rows.execute("SELECT DISTINCT call_id, until FROM lease").fetchall()
    assert left == [("soon", NOW + 3)]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (("file:/a", ()), ("file:/a", ()), False),
        (("file:/a", ()), ("", ("file:/a",)), False),
        (("", ("file:/a",)), ("file:/a", ()), False),
        (("", ("file:/a",)), ("", ("file:/a",)), True),
        (("", ("file:/a/b",)), ("file:/a", ()), False),
        (("", ("file:/a",)), ("file:/b", ()), True),
    ],
)
def test_what_one_has_alone_nobody_shares_whoever_came_first(
    first: tuple[str, tuple[str, ...]],
    second: tuple[str, tuple[str, ...]],
    together: bool,
    rows: sqlite3.Connection,
    tmp_path: Path,
) -> None:
    """By what the rows say and by what the claims do."""
    claims = [
        Claim(f"call{n}", (alone,) if alone else (), shared)
        for n, (alone, shared) in enumerate((first, second))
    ]
    other = Run(tmp_path / "runs")
    grant(rows, claims[0], LATER, NOW, other.id, tmp_path / "runs")
    got = grant(rows, claims[1], LATER, NOW, "ours", tmp_path / "runs")
    other.end()
    assert (got != "call0") is together
    assert claims[1].excludes(claims[0]) is not together


def test_who_has_waited_long_is_before_all_who_come_later_and_they_have_it_in_their_order(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    one, two, three = (Run(tmp_path / "runs") for _ in range(3))

    def looks(call: str, run: Run, waits: Terms | None = LATER) -> list[int] | str:
        return took(rows, tmp_path, call, "file:/a", run=run.id, waits=waits)

    looks("holds", one, None)
    said = [looks("second", two), looks("third", three), looks("third", three)]
    waiting = [count(rows, "second", two.id), count(rows, "third", three.id)]
    end(rows, {"holds": 0})
    said += [looks("new", one, None), looks("third", three)]
    granted = looks("second", two)
    said += [looks("third", three), looks("new", one, None)]
    end(rows, {"second": 0})
    said += [looks("new", one, None)]
    last = looks("third", three)
    beside = took(rows, tmp_path, "beside", "file:/b", run=one.id)
    for run in (one, two, three):
        run.end()
    assert said == ["holds", "holds", "holds", "second", "second", "second", "third", "third"]
    assert waiting == [0, 0], "who waits holds nothing"
    assert [type(each) for each in (granted, last, beside)] == [list] * 3
    assert rows.execute("SELECT DISTINCT call_id FROM lease").fetchall() == [
        ("third",),
        ("beside",),
    ]


def test_who_waited_in_a_process_that_has_ended_is_in_nobodys_way(
    rows: sqlite3.Connection, tmp_path: Path
) -> None:
    lives, dies = Run(tmp_path / "runs"), Run(tmp_path / "runs")
    took(rows, tmp_path, "holds", "file:/a", run=lives.id)
    took(rows, tmp_path, "waits", "file:/a", run=dies.id, waits=Terms(NOW + 60, 0))
    dies.end()
    end(rows, {"holds": 0})
    at_once = took(rows, tmp_path, "new", "file:/a", run=lives.id)
    next_look = took(rows, tmp_path, "new", "file:/a", run=lives.id)
    lives.end()
    assert (at_once, type(next_look)) == ("waits", list)
