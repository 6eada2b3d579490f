"""What a stream keeps for a reader that comes back, and what it costs at most."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.agents.limits import Limits
from gateway.wire.agents.replay import Budget, Shelf, Stream

SMALL = Limits(replay_session=1_000, replay_streams=2, write_seconds=5)
NOBODY = None
SOMEBODY = object()


def shelf(budget: int = 10_000) -> tuple[Shelf, Budget]:
    everybody = Budget(budget)
    return Shelf(everybody, SMALL), everybody


def bodies(stream: Stream) -> list[bytes]:
    return [event.body for event in stream.events]


def test_an_event_id_names_one_event_of_one_stream() -> None:
    mine, _ = shelf()
    first, second = mine.new(), mine.new()
    first.put(b"1")
    second.put(b"2")
    assert mine.find(f"{first.name}-1") == (first, 1)
    assert mine.find(f"{first.name}-0") == (first, 0)
    for wrong in (f"{first.name}-2", "s9-1", "s1-x", "s1-", "-1", "", "s1", "s1--1", "s1-¹"):
        assert mine.find(wrong) is None


async def test_with_nobody_reading_the_oldest_events_make_room() -> None:
    mine, everybody = shelf()
    stream = mine.new()
    for letter in (b"a", b"b", b"c", b"d"):
        await stream.append(letter * 400)
    assert bodies(stream) == [b"c" * 400, b"d" * 400]
    assert stream.after(0) is stream.events[0]
    assert mine.used == everybody.used == 800


async def test_a_writer_waits_for_a_slow_reader_instead_of_dropping() -> None:
    mine, _ = shelf()
    stream = mine.new()
    stream.reader = SOMEBODY
    await stream.append(b"a" * 800)
    writing = asyncio.create_task(stream.append(b"b" * 800))
    done, _ = await asyncio.wait({writing}, timeout=0.05)
    assert not done
    stream.took(1)
    async with asyncio.timeout(20):
        await writing
    assert bodies(stream) == [b"b" * 800]


async def test_a_reader_that_leaves_frees_its_writer() -> None:
    mine, _ = shelf()
    stream = mine.new()
    stream.reader = SOMEBODY
    await stream.append(b"a" * 800)
    writing = asyncio.create_task(stream.append(b"b" * 800))
    await asyncio.sleep(0)
    stream.reader = NOBODY
    stream.took(0)
    async with asyncio.timeout(20):
        await writing
    assert bodies(stream) == [b"b" * 800]


async def test_a_reader_that_takes_nothing_for_too_long_does_not_count() -> None:
    mine = Shelf(Budget(10_000), Limits(replay_session=1_000, write_seconds=0.02))
    stream = mine.new()
    stream.reader = SOMEBODY
    await stream.append(b"a" * 800)
    await stream.append(b"b" * 800)
    assert stream.reader is NOBODY
    assert bodies(stream) == [b"b" * 800]


def test_an_answer_too_large_to_keep_is_said_to_be_lost() -> None:
    mine, _ = shelf()
    unread, read = mine.new(), mine.new()
    unread.end(b"x" * 5_000, b"lost")
    read.reader = SOMEBODY
    read.end(b"x" * 5_000, b"lost")
    assert bodies(unread) == [b"lost"]
    assert bodies(read) == [b"x" * 5_000]
    read.took(1)
    assert bodies(read) == []


def test_ended_streams_are_forgotten_past_their_number() -> None:
    mine, everybody = shelf()
    names = []
    for _ in range(5):
        stream = mine.new()
        names.append(stream.name)
        stream.end(b"done", b"")
    mine.new()
    assert [name in mine.streams for name in names] == [False, False, False, True, True]
    mine.close()
    assert (mine.used, everybody.used) == (0, 0)


def test_an_abandoned_stream_keeps_nothing() -> None:
    mine, everybody = shelf()
    stream = mine.new()
    stream.put(b"before")
    mine.forget(stream)
    stream.put(b"after")
    stream.end(b"answer", b"")
    assert (bodies(stream), mine.used, everybody.used) == ([], 0, 0)


def test_what_all_keep_together_is_bounded_too() -> None:
    everybody = Budget(1_000)
    shelves = [Shelf(everybody, SMALL) for _ in range(5)]
    streams = [one.new() for one in shelves]
    kept = [stream.put(b"x" * 400) for stream in streams]
    assert kept == [True, True, False, False, False]
    streams[4].end(b"x" * 400, b"lost")
    assert bodies(streams[4]) == [b"lost"]
    assert everybody.used <= 1_000


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("prt"), st.integers(1, 900))))
def test_the_account_is_always_what_is_kept(steps: list[tuple[int, str, int]]) -> None:
    mine, everybody = shelf(2_000)
    streams = [mine.new() for _ in range(3)]
    for index, what, size in steps:
        stream = streams[index]
        if what == "p":
            stream.put(b"x" * size)
        elif what == "r":
            stream.reader = NOBODY if stream.reader else SOMEBODY
        else:
            stream.took(min(size, stream.last))
        kept = sum(len(event.body) for one in streams for event in one.events)
        assert kept == mine.used == everybody.used
        for one in streams:
            numbers = [event.number for event in one.events]
            assert numbers == sorted(set(numbers))
