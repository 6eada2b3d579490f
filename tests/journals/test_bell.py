"""A bell wakes once for each ring, and an inbox loses and reorders nothing, whoever is quicker."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from gateway.journals.bell import Bell, Inbox

SECONDS: Final = 30


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    """In a thread, which has ended afterwards."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(SECONDS)
    assert not thread.is_alive()


def is_readable(bell: Bell) -> bool:
    return bool(select.select([bell.ear], [], [], 0)[0])


def test_a_bell_is_heard_once_for_each_ring() -> None:
    bell, heard = Bell(), list[bool]()
    for _ in range(2):
        bell.ring()
    for _ in range(2):
        heard.append(is_readable(bell))
        bell.wait()
    heard.append(is_readable(bell))
    bell.close()
    assert heard == [True, True, False]


def test_who_sleeps_at_an_inbox_is_woken_by_the_next_thing() -> None:
    inbox, taken = Inbox[str](), list[str]()
    with meanwhile(lambda: taken.append(inbox.get())):
        while not inbox._asleep:
            os.sched_yield()
        inbox.put("a letter")
    inbox.close()
    assert taken == ["a letter"]


def test_things_are_taken_in_the_order_they_were_put() -> None:
    inbox = Inbox[int]()
    for number in range(3):
        inbox.put(number)
    firsts, taken = list[int | None](), list[int]()
    while inbox.first is not None:
        firsts.append(inbox.first)
        taken.append(inbox.get())
    inbox.close()
    assert (taken, firsts, inbox.first) == ([0, 1, 2], [0, 1, 2], None)


@pytest.mark.parametrize("each", [1, 7])
def test_nothing_is_lost_when_one_puts_while_the_other_goes_to_sleep(each: int) -> None:
    """`each`: how many are put before the taker is given a chance."""
    inbox, taken, many = Inbox[int](), list[int](), 20_000

    def take() -> None:
        taken.extend(inbox.get() for _ in range(many))

    with meanwhile(take):
        for number in range(many):
            inbox.put(number)
            if number % each == 0:
                os.sched_yield()
    inbox.close()
    assert taken == list(range(many))
