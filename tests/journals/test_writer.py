"""One thread writes whatever waits, in order, as few batches as the disk allows, and outlives any failure."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from collections.abc import Sequence

import pytest

from gateway.errors import JournalError
from gateway.journals.bell import Bell
from gateway.journals.entry import Entry
from gateway.journals.writer import ENOUGH, MAX_BATCH, TURNS, Results, Work, Writer
from tests.journals.calls import intent


class SlowFile:
    """A file that remembers its batches, and stands still while its gate is shut."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.gate.set()
        self.fails_with: Exception | None = None
        self.closed = False
        self.tidies_with: Exception | None = None
        self.done: list[str] = []

    def write(
        self, entries: Sequence[Entry], works: Sequence[Work]
    ) -> tuple[Results, Sequence[object]]:
        self.batches.append([entry.line.call_id for entry in entries])
        self.done.append(f"write {' '.join(self.batches[-1])}")
        self.entered.set()
        assert self.gate.wait(20)
        if self.fails_with is not None:
            raise self.fails_with
        return list(range(len(entries))), [work(self) for work in works]

    def tidy(self) -> None:
        self.done.append("tidy")
        if self.tidies_with is not None:
            raise self.tidies_with

    def close(self) -> None:
        self.done.append("close")
        self.closed = True


Reports = list[tuple[int, str | None]]


def writer_on(file: SlowFile) -> tuple[Writer, Reports]:
    reports: Reports = []

    def report(batch: Sequence[Entry], results: Results, broken: str | None) -> None:
        reports.append((len(batch), broken))
        for entry, result in zip(batch, results, strict=True):
            entry.settle(result)

    return Writer(file, report), reports


def entry(name: str) -> Entry:
    return Entry(intent(name), "{}")


def put(writer: Writer, one: Entry) -> None:
    one.ways = writer
    writer.put(one)


def put_hurried(writer: Writer, name: str) -> None:
    """As a line that somebody waits for."""
    one = entry(name)
    put(writer, one)
    one.ways.asked()


async def entered(file: SlowFile) -> None:
    assert await asyncio.to_thread(file.entered.wait, 20)


async def test_what_gathers_while_the_disk_is_busy_is_the_next_batch() -> None:
    file = SlowFile()
    file.gate.clear()
    async with asyncio.timeout(30):
        writer, reports = writer_on(file)
        put(writer, entry("first"))
        await entered(file)
        entries = [entry(f"call-{n}") for n in range(100)]
        for each in entries:
            put(writer, each)
        file.gate.set()
        for each in entries:
            await each.sealed()
        await writer.close()
    assert file.batches == [["first"], [f"call-{n}" for n in range(100)]]
    assert reports == [(1, None), (100, None)]


async def test_what_nobody_waits_for_goes_along_with_what_somebody_does() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        begun, ended = entry("intent"), entry("outcome")
        put(writer, begun)
        await asyncio.sleep(0)
        before = [*file.batches]
        put(writer, ended)
        await ended.sealed()
        await begun.sealed()
        await writer.close()
    assert before == []
    assert file.batches == [["intent", "outcome"]]


async def test_who_waits_for_an_earlier_line_hurries_those_after_it() -> None:
    file = SlowFile()
    file.gate.clear()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        first, second = entry("first"), entry("second")
        put(writer, first)
        waiting = asyncio.ensure_future(first.sealed())
        await entered(file)
        put(writer, second)
        again = asyncio.ensure_future(first.sealed())
        file.gate.set()
        await asyncio.gather(waiting, again, second.sealed())
        await writer.close()
    assert file.batches == [["first"], ["second"]]


async def test_what_nobody_ever_waits_for_goes_by_itself_and_so_does_the_next() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        for name in ("a read that hangs", "another"):
            file.entered.clear()
            put(writer, entry(name))
            await entered(file)
        batches = [*file.batches]
        await writer.close()
    assert batches == [["a read that hangs"], ["another"]]


async def test_what_turn_after_turn_brings_is_one_batch() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        put_hurried(writer, "call-0")
        for turn in range(TURNS):
            put_hurried(writer, f"call-{turn + 1}")
            await asyncio.sleep(0)
        await writer.close()
    assert [len(batch) for batch in file.batches] == [1 + TURNS]


async def handed_over_after(turns: Sequence[int]) -> bool:
    """Whether so many lines in one turn after the other are with the thread then, and not a turn later."""
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        for lines in turns:
            for n in range(lines):
                put_hurried(writer, f"call-{n}")
            await asyncio.sleep(0)
        # The loop stands still meanwhile.
        handed_over = file.entered.wait(20)
        await writer.close()
    return handed_over


async def test_a_line_that_comes_alone_waits_for_no_other() -> None:
    assert await handed_over_after([1])


async def test_lines_wait_for_a_few_turns_at_most() -> None:
    assert await handed_over_after([2] * (TURNS + 2))


async def test_enough_lines_wait_for_no_further_turn() -> None:
    assert await handed_over_after([ENOUGH])


async def test_no_batch_is_larger_than_its_bound() -> None:
    file = SlowFile()
    file.gate.clear()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        put(writer, entry("first"))
        await entered(file)
        for n in range(MAX_BATCH * 2 + 5):
            put(writer, entry(f"call-{n}"))
        file.gate.set()
        await writer.close()
    assert [len(batch) for batch in file.batches] == [1, MAX_BATCH, MAX_BATCH, 5]


async def test_other_work_has_its_turn_after_what_was_queued_before_it() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        put(writer, entry("before"))
        seen = await writer.do(lambda: [name for batch in file.batches for name in batch])
        put(writer, entry("after"))
        await writer.close()
    assert seen == ["before"]
    assert file.closed
    assert file.batches[-1] == ["after"]


async def test_work_that_joins_is_done_with_the_lines_queued_with_it_and_after_them() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        unhurried = writer.join(lambda file: len(file.batches), hurried=False)
        line = entry("beside")
        put(writer, line)
        hurried = writer.join(lambda file: file.batches[-1], hurried=True)
        made = await hurried, await unhurried
        sealed = await line.sealed()
        await writer.close()
    assert made == (["beside"], 1)
    assert (sealed.call_id, file.batches) == ("beside", [["beside"]])


async def test_work_that_joins_and_that_nobody_waits_for_is_done_by_itself() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, reports = writer_on(file)
        made = await writer.join(lambda file: "done", hurried=False)
        await writer.close()
    assert (made, reports) == ("done", [(0, None)])


@pytest.mark.parametrize("failure", [JournalError("the disk is full"), ZeroDivisionError("a bug")])
async def test_work_that_joined_a_failed_batch_is_told_so(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    file = SlowFile()
    file.fails_with = failure
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        with pytest.raises(JournalError, match=str(failure)):
            await writer.join(lambda file: "done", hurried=True)
        await writer.close()


@pytest.mark.parametrize("failure", [JournalError("the disk is full"), ZeroDivisionError("a bug")])
async def test_a_failed_batch_fails_its_lines_and_the_next_one_is_written(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, reports = writer_on(file)
        file.fails_with = failure
        failed = entry("failed")
        put(writer, failed)
        with pytest.raises(JournalError, match=str(failure)):
            await failed.sealed()
        file.fails_with = None
        written = entry("written")
        put(writer, written)
        sealed = await written.sealed()
        await writer.close()
    assert sealed.call_id == "written"
    # Only a failing disk breaks the journal; a bug in one batch says nothing about the next.
    broken = "the disk is full" if isinstance(failure, JournalError) else None
    assert reports == [(1, broken), (1, None)]


@pytest.mark.parametrize("failure", [JournalError("the disk is full"), ZeroDivisionError("a bug")])
async def test_work_that_fails_says_so_and_the_thread_goes_on(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    def fail() -> list[str]:
        raise failure

    async with asyncio.timeout(30):
        writer, _ = writer_on(SlowFile())
        with pytest.raises(JournalError, match=str(failure)):
            await writer.do(fail)
        again = await writer.do(lambda: ["still here"])
        await writer.close()
    assert again == ["still here"]


async def test_a_line_in_a_hurry_goes_at_once_with_those_before_it() -> None:
    file = SlowFile()
    file.gate.clear()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        before, hurried = entry("before"), entry("hurried")
        put(writer, before)
        put(writer, hurried)
        hurried.hurry()
        assert file.entered.wait(20), "the loop has not turned, and it is being written"
        file.gate.set()
        await hurried.sealed()
        await writer.close()
    assert file.batches == [["before", "hurried"]]


async def test_each_batch_is_tidied_up_after_and_what_fails_there_harms_no_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = SlowFile()
    writer, _ = writer_on(file)
    file.tidies_with = JournalError("no room for rows")
    async with asyncio.timeout(20):
        for name in ("a", "b"):
            one = entry(name)
            put(writer, one)
            await one.sealed()
        await writer.close()
    assert file.done == ["write a", "tidy", "write b", "tidy", "close"]
    assert "no room for rows" in caplog.text


async def test_after_a_call_that_came_alone_the_next_waits_for_no_turn_until_more_come() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        one, many = entry("alone"), [entry(name) for name in "abc"]
        put(writer, one)
        await one.sealed()
        file.entered.clear()
        file.gate.clear()
        put_hurried(writer, "at once")
        handed_over = file.entered.wait(20)  # the loop stands still meanwhile
        for each in many:
            put(writer, each)
        file.gate.set()
        await many[-1].sealed()
        for name in "de":
            put_hurried(writer, name)
        await writer.close()
    assert handed_over
    assert file.batches == [["alone"], ["at once"], ["a", "b", "c"], ["d", "e"]]


async def test_after_work_of_many_the_next_is_gathered() -> None:
    file = SlowFile()
    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        await asyncio.gather(*(writer.join(lambda file: None, hurried=True) for _ in range(3)))
        file.entered.clear()
        file.gate.clear()
        put(writer, entry("busy"))
        writer.hurry()
        await entered(file)
        put_hurried(writer, "a")
        waits = writer._queue.first is None
        file.gate.set()
        await writer.close()
    assert waits


async def test_a_writer_that_was_closed_keeps_no_file_open() -> None:
    before = os.listdir("/dev/fd")
    async with asyncio.timeout(30):
        writer, _ = writer_on(SlowFile())
        put_hurried(writer, "a")
        await writer.close()
    assert os.listdir("/dev/fd") == before


async def test_a_report_that_fails_keeps_nobody_else_from_hearing() -> None:
    said: list[str] = []

    def report(batch: Sequence[Entry], results: Results, broken: str | None) -> None:
        raise ValueError("a bug of ours")

    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: said.append(str(context["exception"]))
    )
    async with asyncio.timeout(30):
        writer = Writer(SlowFile(), report)
        put(writer, entry("a"))
        done = await writer.do(lambda: "done")
        await writer.close()
    assert (said, done) == (["a bug of ours"], "done")


async def test_who_rings_for_the_end_rings_a_bell_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread may be awake already, for an older ring, and be through before this one is made."""
    file, ring = SlowFile(), Bell.ring

    def late(bell: Bell) -> None:
        if threading.current_thread() is threading.main_thread():
            ring(bell)
            time.sleep(0.2)
        ring(bell)

    async with asyncio.timeout(30):
        writer, _ = writer_on(file)
        while not writer._queue._asleep:
            await asyncio.sleep(0)
        monkeypatch.setattr(Bell, "ring", late)
        await writer.close()
    assert file.closed


def test_a_writer_whose_loop_was_closed_first_keeps_no_file_open() -> None:
    file = SlowFile()

    async def cut_off() -> None:
        writer, _ = writer_on(file)
        put_hurried(writer, "a")
        file.gate.clear()
        closing = asyncio.ensure_future(writer.close())
        await entered(file)
        closing.cancel()

    gc.collect()
    before, threads = os.listdir("/dev/fd"), set(threading.enumerate())
    asyncio.run(cut_off())
    [thread] = set(threading.enumerate()) - threads
    file.gate.set()
    thread.join(20)
    gc.collect()
    assert (file.closed, os.listdir("/dev/fd")) == (True, before)
