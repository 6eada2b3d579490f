"""Telemetry goes on, whatever one line, one who is told, or the disk does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest

from gateway.core.record import Line
from gateway.errors import JournalError
from gateway.journals.memory import Memory, MemoryReader
from gateway.ports import EventRow
from gateway.telemetry.facts import Fact, Folder
from gateway.telemetry.follow import Follower
from tests.journals.calls import refusal
from tests.telemetry.test_facts import stored


class Lines(MemoryReader):
    """A journal of these lines, on a disk that may be slow or fail."""

    def __init__(self, *lines: Line) -> None:
        super().__init__(Memory())
        self.rows = list(stored(*lines))
        self.before: Callable[[], None] = lambda: None

    def events(self, after: int, limit: int) -> Sequence[EventRow]:
        self.before()
        return [row for row in self.rows if row.seq > after][:limit]


def test_one_call_that_cannot_be_told_is_passed_over_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def tell(fact: Fact) -> None:
        if fact.call_id == "a":
            raise ValueError("a label nobody can write")
        told.append(fact.call_id)

    journal = Lines(refusal("a"))
    follower = Follower(journal, Folder("mine", journal.call), 0, [tell])
    follower.catch_up()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    journal.rows = list(stored(refusal("a"), refusal("b")))
    follower.catch_up()
    assert told == ["b"]


def test_what_cannot_be_read_now_is_read_later() -> None:
    told: list[Fact] = []
    journal = Lines(refusal("a"))
    follower = Follower(journal, Folder("mine", journal.call), 0, [told.append])

    def fail() -> None:
        raise JournalError("the disk is full")

    journal.before = fail
    follower.catch_up()
    assert told == []
    journal.before = lambda: None
    follower.catch_up()
    assert [fact.call_id for fact in told] == ["a"]


def test_two_looks_at_once_tell_a_call_once() -> None:
    told: list[str] = []
    journal, looking, go_on = Lines(refusal("a")), Semaphore(0), Event()

    def look() -> None:
        looking.release()
        go_on.wait(10)

    journal.before = look

    follower = Follower(
        journal, Folder("mine", journal.call), 0, [lambda fact: told.append(fact.call_id)]
    )
    with ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(follower.catch_up) for _ in range(2)]
        assert looking.acquire(timeout=10)
        assert not looking.acquire(timeout=0.2), "the second does not look while the first does"
        go_on.set()
        for each in looks:
            each.result(10)
    assert told == ["a"]
