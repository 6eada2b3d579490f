"""kill -9 at any moment: nothing that was reported is lost, nothing open is forgotten, the restart is clean."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.core.record import State
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter

KILLS = int(os.environ.get("BULKHEAD_TEST_KILLS", "6"))
"""How many children die in one run of the test; a campaign sets more."""

Reports = list[list[str]]


@contextmanager
def child(path: Path, prefix: str, callers: int = 4, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes to the journal, killed at the end whatever happened."""
    command = [
        sys.executable,
        "-m",
        "tests.journals.writing_child",
        str(path),
        prefix,
        str(callers),
    ]
    process = subprocess.Popen(
        [*command, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def reports(process: subprocess.Popen[str], count: int) -> Reports:
    """The next `count` reports."""
    assert process.stdout is not None
    return [process.stdout.readline().split(maxsplit=2) for _ in range(count)]


def last_reports(process: subprocess.Popen[str]) -> Reports:
    """What it still got out before it died. A report cut short was not made."""
    assert process.stdout is not None
    return [line.split(maxsplit=2) for line in process.stdout if line.endswith("\n")]


def named(said: Reports, word: str) -> set[str]:
    return {report[1] for report in said if report[0] == word}


async def recovered(path: Path) -> set[str]:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(path)
        lost = await journal.recover()
        await journal.aclose()
    return set(lost)


async def test_a_kill_loses_no_reported_line_and_recovery_lists_what_was_open(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    forwarded: set[str] = set()
    answered: set[str] = set()
    in_doubt: set[str] = set()
    for kill in range(KILLS):
        with child(path, f"run{kill}-") as process:
            said = reports(process, 2 + kill * 5)
            process.send_signal(signal.SIGKILL)
            said += last_reports(process)
        forwarded |= named(said, "forwarded")
        answered |= named(said, "answered")
        # Every other child finds and settles by itself what the one before it left.
        if kill % 2 == 0:
            in_doubt |= await recovered(path)
    in_doubt |= await recovered(path)
    with closing(SqliteReader(path)) as reader:
        states = {row.record.call_id: row.state for row in reader.calls(CallFilter(), 100_000)}
        events = list(reader.events(0, 1_000_000))
    with closing(sqlite3.connect(path)) as connection:
        [(sound,)] = connection.execute("PRAGMA integrity_check")

    applied = {call for call, state in states.items() if state is State.APPLIED}
    assert len(answered) > KILLS
    assert answered <= applied
    assert forwarded <= set(states)
    assert State.INTENT not in states.values()
    doubtful = {call for call, state in states.items() if state is State.IN_DOUBT}
    assert forwarded - answered <= doubtful | applied
    assert {f"run{kill}-open" for kill in range(KILLS)} <= doubtful
    assert in_doubt <= doubtful
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sound == "ok"
    assert [lock.name for lock in (tmp_path / "runs").glob("*.lock")] == []


async def test_two_processes_share_a_journal_and_neither_settles_the_others_calls(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with child(path, "one-") as one, child(path, "two-") as two:
        before = [reports(process, 40) for process in (one, two)]
        while_they_live = await recovered(path)
        after = [reports(process, 40) for process in (one, two)]
        one.kill()
        said = [*before[0], *after[0], *last_reports(one)]
        one.wait(20)
        when_one_is_dead = await recovered(path)
        two_still = reports(two, 40)
    with closing(SqliteReader(path)) as reader:
        states = {row.record.call_id: row.state for row in reader.calls(CallFilter(), 100_000)}
    assert while_they_live == set()
    assert "one-open" in when_one_is_dead
    assert all(call.startswith("one-") for call in when_one_is_dead)
    assert when_one_is_dead.isdisjoint(named(said, "answered"))
    everyone = [*said, *before[1], *after[1], *two_still]
    assert named(everyone, "forwarded") <= set(states)
    assert all(states[call] is State.APPLIED for call in named(everyone, "answered"))
