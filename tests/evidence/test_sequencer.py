"""The sequencer on a real journal."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import anyio
import pytest

from gateway.errors import JournalError
from gateway.evidence import merkle
from gateway.evidence import sequencer as sequencer_module
from gateway.evidence.audit import audit
from gateway.evidence.checkpoint import Notary
from gateway.evidence.proof import NotYet, extends, prove
from gateway.evidence.sequencer import Sequencer, keep_sequencing
from gateway.evidence.tiles import Tiles
from gateway.evidence.verify import Checkpoint, Key, open_note
from gateway.journals.sqlite import SqliteReader
from gateway.journals.tilefile import TileFile
from gateway.values import replace
from tests.journals.calls import intent, outcome
from tests.journals.writing import write

LINES = 1_024
"""After which there is a checkpoint in any case."""


async def written(path: Path, calls: range) -> None:
    both = ((intent(f"call{number}"), outcome(f"call{number}")) for number in calls)
    await write(path / "journal.db", *chain.from_iterable(both))


class Noted(TileFile):
    """Remembers what was signed."""

    def __init__(self, path: Path, notes: list[str]) -> None:
        super().__init__(path)
        self.notes = notes

    def keep(self, size: int, at: int, note: str) -> None:
        super().keep(size, at, note)
        self.notes.append(note)


def sequencer(
    path: Path, notes: list[str], seconds: float = 0, clock: Callable[[], int] = lambda: 7
) -> Sequencer:
    kept = Noted(path / "evidence.db", notes)
    reader, notary = SqliteReader(path / "journal.db"), Notary.open(path)
    return Sequencer(reader, Tiles(kept), kept, notary, clock, LINES, seconds)


async def test_a_checkpoint_is_signed_so_often_and_not_more_often(tmp_path: Path) -> None:
    notes: list[str] = []
    now = iter([100, 100, 2_000_100, 2_000_100])
    await written(tmp_path, range(1))
    one = sequencer(tmp_path, notes, 2.0, lambda: next(now))
    one.catch_up()
    await written(tmp_path, range(1, 2))
    one.catch_up()
    assert len(notes) == 1, "two seconds are not over"
    one.catch_up()
    assert [int(note.splitlines()[1]) for note in notes] == [2, 4]


async def test_a_clock_that_is_set_back_keeps_no_checkpoint_waiting(tmp_path: Path) -> None:
    notes: list[str] = []
    now = iter([86_400_000_000, 5, 5])
    await written(tmp_path, range(1))
    one = sequencer(tmp_path, notes, 2.0, lambda: next(now))
    one.catch_up()
    await written(tmp_path, range(1, 2))
    one.catch_up()
    assert [int(note.splitlines()[1]) for note in notes] == [2, 4]


async def test_every_sealed_line_comes_into_the_log_and_under_a_checkpoint(tmp_path: Path) -> None:
    notes: list[str] = []
    await written(tmp_path, range(20))
    assert sequencer(tmp_path, notes).catch_up() == 40
    await written(tmp_path, range(20, 23))
    assert sequencer(tmp_path, notes).catch_up() == 46
    key = Notary.open(tmp_path).key
    held = [open_note(note, key) for note in notes]
    assert [checkpoint.size for checkpoint in held] == [40, 46]
    found = audit(SqliteReader(tmp_path / "journal.db").filed(), held)
    assert (found.wrong, found.covered) == ((), 46)


async def test_a_long_backlog_is_signed_on_the_way(tmp_path: Path) -> None:
    notes: list[str] = []
    await written(tmp_path, range(LINES // 2 + 5))
    sequencer(tmp_path, notes).catch_up()
    assert [int(note.splitlines()[1]) for note in notes] == [LINES, LINES + 10]


async def test_nothing_is_signed_over_a_journal_that_lost_a_line(tmp_path: Path) -> None:
    await written(tmp_path, range(3))
    broken = sqlite3.connect(tmp_path / "journal.db")
    broken.execute("DROP TRIGGER event_no_delete")
    broken.execute("DELETE FROM event WHERE seq = 4")
    broken.commit()
    broken.close()
    notes: list[str] = []
    with pytest.raises(JournalError, match="took lines out"):
        sequencer(tmp_path, notes).catch_up()
    assert notes == []


async def test_an_older_copy_of_the_journal_is_not_taken_for_what_follows(tmp_path: Path) -> None:
    await written(tmp_path, range(2))
    older = (tmp_path / "journal.db").read_bytes()
    await written(tmp_path, range(2, 5))
    notes: list[str] = []
    assert sequencer(tmp_path, notes).catch_up() == 10
    for left in tmp_path.glob("journal.db*"):
        left.unlink()
    (tmp_path / "journal.db").write_bytes(older)
    for more in (range(6, 6), range(6, 9), range(9, 12)):  # shorter than the log, as long, longer
        await written(tmp_path, more)
        with pytest.raises(JournalError, match="line 10 is the last in the log"):
            sequencer(tmp_path, notes).catch_up()
    assert len(notes) == 1


async def test_of_two_gateways_one_sequences_and_the_other_takes_over(tmp_path: Path) -> None:
    await written(tmp_path, range(2))
    began: list[str] = []
    signed = asyncio.Event()

    def beginning(name: str) -> Sequencer:
        began.append(name)
        loop.call_soon_threadsafe(signed.set)
        return sequencer(tmp_path, [])

    loop = asyncio.get_running_loop()
    with anyio.fail_after(20):
        first = asyncio.create_task(keep_sequencing(tmp_path, lambda: beginning("first")))
        await signed.wait()
        signed.clear()
        second = asyncio.create_task(keep_sequencing(tmp_path, lambda: beginning("second")))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await signed.wait()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    assert began == ["first", "second"]


async def test_one_that_is_stopped_in_the_middle_keeps_the_lock_until_it_is_done(
    tmp_path: Path,
) -> None:
    await written(tmp_path, range(2))
    loop, at_it, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    class Slow(Sequencer):
        def catch_up(self) -> int:
            loop.call_soon_threadsafe(at_it.set)
            go_on.wait(20)
            return super().catch_up()

    def slow() -> Sequencer:
        kept = TileFile(tmp_path / "evidence.db")
        reader, notary = SqliteReader(tmp_path / "journal.db"), Notary.open(tmp_path)
        return Slow(reader, Tiles(kept), kept, notary, lambda: 7, LINES, 0)

    with anyio.fail_after(20):
        keeping = asyncio.create_task(keep_sequencing(tmp_path, slow))
        await at_it.wait()
        keeping.cancel()
        await asyncio.wait([keeping], timeout=0)
        assert sequencer_module.lock(tmp_path / "evidence.lock") is None
        go_on.set()
        await asyncio.wait([keeping])
    descriptor = sequencer_module.lock(tmp_path / "evidence.lock")
    assert descriptor is not None
    os.close(descriptor)
    assert Tiles(TileFile(tmp_path / "evidence.db")).size == 4


async def test_a_lock_that_cannot_be_had_now_is_had_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full, or too many files were open."""
    monkeypatch.setattr(sequencer_module, "LOOK_SECONDS", 0)
    await written(tmp_path, range(2))
    (tmp_path / "evidence.lock").mkdir()
    notes: list[str] = []
    with anyio.fail_after(20):
        keeping = asyncio.create_task(keep_sequencing(tmp_path, lambda: sequencer(tmp_path, notes)))
        for _ in range(3):
            await asyncio.to_thread(lambda: None)
        (tmp_path / "evidence.lock").rmdir()
        while not notes:
            await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait([keeping])
    assert keeping.cancelled()


async def test_a_call_is_proven_and_a_log_that_grew_too(tmp_path: Path) -> None:
    await written(tmp_path, range(5))
    reader, kept = SqliteReader(tmp_path / "journal.db"), TileFile(tmp_path / "evidence.db")
    node = Tiles(kept).node
    lines = reader.lines("call3")
    with pytest.raises(NotYet):
        prove(lines, kept, node)
    sequencer(tmp_path, []).catch_up()
    assert [event["index"] for event in prove(lines, kept, node)["events"]] == [6, 7]
    assert len(extends(Checkpoint(4, merkle.root(4, node)), kept, node)["consistency"]) == 2


async def test_no_proof_is_given_that_does_not_hold(tmp_path: Path) -> None:
    """Neither where the log was damaged, nor where a line was changed, nor from another log."""
    await written(tmp_path, range(5))
    sequencer(tmp_path, []).catch_up()
    reader, kept = SqliteReader(tmp_path / "journal.db"), TileFile(tmp_path / "evidence.db")
    node, lines = Tiles(kept).node, reader.lines("call3")
    with pytest.raises(NotYet, match="does not begin with"):
        extends(Checkpoint(4, bytes(32)), kept, node)
    with pytest.raises(JournalError, match="would not hold"):
        prove([replace(line, body=line.body + b" ") for line in lines], kept, node)
    hashes = kept.tile(0, 0)
    for damaged in (bytes(len(hashes)), hashes[:-64]):
        kept.put([(0, 0, damaged)])
        with pytest.raises(JournalError, match="would not hold"):
            prove(lines, kept, node)


def test_a_key_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    notary = Notary.open(tmp_path)
    assert Key.parse(notary.public_key) == notary.key
