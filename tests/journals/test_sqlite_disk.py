"""A full disk, a read-only file, a file that vanished: refused in one clear sentence, nothing sealed is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.core.record import State
from gateway.errors import JournalError, Misconfigured
from gateway.journals import commit, sqlite
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from gateway.values import replace
from tests.journals.calls import intent, outcome
from tests.journals.test_sqlite_crash import child, named, reports


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of its own, unmounted at the end. Skips where we may not mount."""
    place.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)],
            check=True,
            capture_output=True,
            timeout=20,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a small file system here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True, timeout=20)


def states(path: Path) -> dict[str, State]:
    with closing(SqliteReader(path)) as reader:
        return {row.record.call_id: row.state for row in reader.calls(CallFilter(), 100_000)}


async def write_until_refused(journal: SqliteJournal, text: str) -> tuple[list[str], str]:
    """The calls that were sealed, and what the first refused one was told."""
    sealed: list[str] = []
    while len(sealed) < 100_000:
        call_id = f"call-{len(sealed)}"
        try:
            await journal.append(intent(call_id, arguments={"text": text})).sealed()
        except JournalError as error:
            return sealed, str(error)
        sealed.append(call_id)
    raise AssertionError("the disk never filled")


async def sealed_again(journal: SqliteJournal, call_id: str) -> int:
    """Tries as callers would until the journal has noticed that it can write again; how often it refused."""
    refusals = 0
    while True:
        try:
            await journal.append(intent(call_id)).sealed()
        except JournalError:
            refusals += 1
            await asyncio.sleep(sqlite.PROBE_SECONDS / 4)
        else:
            return refusals


SOON = 1.0
"""Long enough for a test to do what it does between two probes."""


async def test_a_full_disk_refuses_loses_nothing_and_works_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PROBE_SECONDS", SOON)
    with small_disk(tmp_path / "disk", "1500k") as disk:
        path, ballast = disk / "state" / "journal.db", disk / "ballast"
        ballast.write_bytes(b"x" * 400_000)
        async with asyncio.timeout(60):
            journal = await SqliteJournal.open(path)
            sealed, told = await write_until_refused(journal, "y" * 5_000)
            at_once: list[str] = []
            for n in range(50):
                try:
                    journal.append(intent(f"while-full-{n}", arguments={"text": "y" * 5_000}))
                except JournalError as error:
                    at_once.append(str(error))
            after_refusal = states(path)
            ballast.unlink()
            await sealed_again(journal, "after")
            late = await journal.append(outcome(sealed[0])).sealed()
            await journal.aclose()
        kept = states(path)
    assert str(path) in told
    assert "disk is full" in told
    # Most of a burst is refused without touching the disk; the rest are the probes.
    assert len(at_once) >= 49
    assert set(sealed) <= set(after_refusal) <= set(kept)
    assert kept["after"] is State.INTENT
    assert (late.kind, kept[sealed[0]]) == (State.APPLIED, State.APPLIED)


def test_a_file_that_may_not_grow_refuses_loses_nothing_and_works_again(tmp_path: Path) -> None:
    """The same without rights to mount: the kernel refuses the writes of one process (EFBIG)."""
    path = tmp_path / "journal.db"
    with child(path, "call", 1, "200000") as process:
        said = reports(process, 1)
        while said[-1][0] != "refused":
            said += reports(process, 1)
        refused_call, told = said[-1][1], said[-1][2]
        while_full = states(path)
        assert process.stdin is not None
        process.stdin.close()
        said += reports(process, 1)
        process.wait(20)
    kept = states(path)
    assert str(path) in told
    assert named(said, "forwarded") <= set(kept)
    assert refused_call not in while_full
    assert said[-1][1].startswith("call-after-")


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """The file and its directory may not be written: by mode, or for root by the file system."""
    if os.geteuid() == 0:
        subprocess.run(["mount", "-o", "remount,ro", str(path.parent)], check=True, timeout=20)
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(path.parent)], check=True, timeout=20)
        return
    path.chmod(0o400)
    path.parent.chmod(0o500)
    yield
    path.parent.chmod(0o700)
    path.chmod(0o600)


async def test_a_read_only_journal_is_refused_at_start_can_be_read_and_works_again(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        path = disk / "journal.db"
        async with asyncio.timeout(30):
            journal = await SqliteJournal.open(path)
            await journal.append(intent("call-1")).sealed()
            await journal.aclose()
            with read_only(path):
                with pytest.raises(Misconfigured) as refused:
                    await SqliteJournal.open(path)
                while_read_only = states(path)
            journal = await SqliteJournal.open(path)
            await journal.append(intent("call-2")).sealed()
            await journal.aclose()
        kept = states(path)
    assert str(path) in str(refused.value)
    assert "read-only" in str(refused.value).lower()
    assert set(while_read_only) == {"call-1"}
    assert set(kept) == {"call-1", "call-2"}


async def test_a_vanished_or_replaced_file_is_noticed_before_a_line_is_promised(
    tmp_path: Path,
) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    path = state / "journal.db"
    told = []
    async with asyncio.timeout(30):
        journal = await SqliteJournal.open(path)
        await journal.append(intent("call-1")).sealed()
        state.rename(elsewhere)
        with pytest.raises(JournalError) as gone:
            await journal.append(intent("call-2")).sealed()
        told.append(str(gone.value))
        other = await SqliteJournal.open(path)
        await other.aclose()
        await asyncio.sleep(sqlite.PROBE_SECONDS)
        with pytest.raises(JournalError) as replaced:
            await journal.append(intent("call-3")).sealed()
        told.append(str(replaced.value))
        shutil.rmtree(state)
        elsewhere.rename(state)
        await sealed_again(journal, "call-4")
        await journal.aclose()
    assert "No such file" in told[0]
    assert "replaced" in told[1]
    assert set(states(path)) == {"call-1", "call-4"}


async def test_a_disk_that_fails_under_a_batch_fails_every_line_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(30):
        journal = await SqliteJournal.open(path)
        await journal.append(intent("call-0")).sealed()
        with monkeypatch.context() as broken:
            broken.setattr(commit, "write", _failing)
            pending = [journal.append(intent(f"call-{n}")) for n in range(1, 9)]
            results = await asyncio.gather(*(p.sealed() for p in pending), return_exceptions=True)
        await sealed_again(journal, "call-1")
        await journal.aclose()
    assert all(isinstance(each, JournalError) for each in results)
    assert {str(each) for each in results} == {
        f"{path}: SQLite refuses (OperationalError: disk I/O error)"
    }
    assert set(states(path)) == {"call-0", "call-1"}


def _failing(*_: object) -> list[int | str]:
    import sqlite3

    raise sqlite3.OperationalError("disk I/O error")


async def test_an_outcome_the_disk_refused_is_in_doubt_as_soon_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refused by the failing disk, one at once because the journal is known to be broken."""
    monkeypatch.setattr(sqlite, "PROBE_SECONDS", SOON)
    path = tmp_path / "journal.db"
    async with asyncio.timeout(30):
        journal = await SqliteJournal.open(path)
        for name in ("one", "two", "three"):
            await journal.append(intent(name)).sealed()
        with monkeypatch.context() as broken:
            broken.setattr(commit, "write", _failing)
            with pytest.raises(JournalError):
                await journal.append(outcome("one")).sealed()
            with pytest.raises(JournalError):
                journal.append(outcome("two"))
        await sealed_again(journal, "four")
        await journal.append(outcome("three")).sealed()
        await journal.aclose()
    assert states(path) == {
        "one": State.IN_DOUBT,
        "two": State.IN_DOUBT,
        "three": State.APPLIED,
        "four": State.INTENT,
    }


async def test_a_disk_nobody_tried_of_late_is_one_to_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    took = [journal.takes_lines]
    with monkeypatch.context() as broken:
        broken.setattr(commit, "write", _failing)
        with pytest.raises(JournalError):
            await journal.append(intent("one")).sealed()
        took.append(journal.takes_lines)
        broken.setattr(sqlite, "FORGIVEN_SECONDS", -SOON)
        took.append(journal.takes_lines)
    await journal.aclose()
    assert took == [True, False, True]


async def test_an_outcome_that_no_line_can_say_is_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with asyncio.timeout(30):
        journal = await SqliteJournal.open(path)
        await journal.append(intent("one")).sealed()
        with pytest.raises(JournalError, match="cannot be written as JSON"):
            journal.append(replace(outcome("one"), body={"result": object()}))
        await journal.append(intent("two")).sealed()
        await journal.aclose()
    assert states(path) == {"one": State.IN_DOUBT, "two": State.INTENT}


async def test_too_many_waiting_lines_are_refused_not_hoarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "MAX_WAITING", 100)
    refused = 0
    async with asyncio.timeout(30):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        # Nothing here awaits, so no batch can report back before the limit is reached.
        pending = []
        for n in range(150):
            try:
                pending.append(journal.append(intent(f"call-{n}")))
            except JournalError as error:
                refused += 1
                assert "100 lines are waiting" in str(error)
        for each in pending:
            await each.sealed()
        await journal.append(intent("call-149")).sealed()
        await journal.aclose()
    assert refused == 50
    assert len(states(tmp_path / "journal.db")) == 101


def test_the_limit_of_a_process_can_be_lifted_again() -> None:
    """The test above stands on this: the hard limit stays infinite."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
