"""Work that goes on side by side: in the order it was given, so many at once, and one alone where it must be."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.abreast import AT_ONCE, Turns, abreast, at_once


class Log:
    """Who has begun and ended, and how many were under way at most."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.most = self.now = 0

    async def work(self, number: int) -> None:
        self.said.append(f"+{number}")
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now -= 1
        self.said.append(f"-{number}")


async def test_nothing_begins_before_what_it_waits_for_has_ended() -> None:
    log = Log()
    await abreast([(), (0,), (), (1, 2)], 8, log.work)
    assert log.said[:2] == ["+0", "+2"]
    assert log.said.index("-0") < log.said.index("+1")
    assert log.said[-2:] == ["+3", "-3"]


async def test_no_more_are_under_way_than_there_may_be_and_the_first_begin_first() -> None:
    log = Log()
    await abreast([()] * 7, 3, log.work)
    assert log.most == 3
    assert [each for each in log.said if each[0] == "+"] == [f"+{n}" for n in range(7)]


async def test_one_at_a_time_is_the_order_as_it_was_given() -> None:
    log = Log()
    await abreast([(), (), (0,)], 1, log.work)
    assert log.said == ["+0", "-0", "+1", "-1", "+2", "-2"]


def test_a_server_that_takes_fewer_is_asked_for_fewer() -> None:
    slow = ServerLimits(concurrency=2)
    some = {
        "a": ServerSettings(command=("a",)),
        "b": ServerSettings(command=("b",), limits=slow),
        "c": ServerSettings(command=("c",)),
        "c-undo": ServerSettings(command=("c",), limits=slow, companion_of="c"),
    }
    assert [at_once(some, {*names}) for names in ("a", "b", "ab", "c")] == [AT_ONCE, 2, 2, 2]


async def test_after_a_failure_those_under_way_end_and_nothing_begins() -> None:
    log = Log()

    async def work(number: int) -> None:
        if number == 1:
            await asyncio.sleep(0)
            raise ValueError("no")
        await log.work(number)

    with pytest.raises(ValueError, match="no"):
        await abreast([(), (), (), ()], 3, work)
    assert sorted(log.said) == ["+0", "+2", "-0", "-2"]


class Killed(BaseException):
    """As a process that ends."""


async def test_at_the_end_of_the_process_those_under_way_are_cancelled() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> None:
        if number == 1:
            raise Killed
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(number)

    with anyio.fail_after(5), pytest.raises(Killed):
        await abreast([(), (), ()], 3, work)
    assert sorted(cancelled) == [0, 2]


async def test_who_is_cancelled_leaves_nothing_under_way() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    with anyio.move_on_after(0.01):
        await abreast([(), ()], 2, work)
    assert sorted(ended) == [0, 1]


async def test_who_must_be_alone_waits_for_the_others_and_nobody_begins_meanwhile() -> None:
    turns, said = Turns(), list[str]()

    async def one(number: int) -> None:
        async with turns.beside():
            said.append(f"+{number}")
            await asyncio.sleep(0)
            if number == 0:
                assert turns.are_several
                async with turns.alone():
                    said.append("alone")
                    await asyncio.sleep(0)
                    said.append("not alone")
            said.append(f"-{number}")

    with anyio.fail_after(5):
        await abreast([(), (), ()], 2, one)
    assert said == ["+0", "+1", "-1", "alone", "not alone", "-0", "+2", "-2"]


async def test_several_who_must_be_alone_are_so_one_after_the_other() -> None:
    turns, inside = Turns(), list[int]()

    async def one(number: int) -> None:
        async with turns.beside():
            for _ in range(2):
                async with turns.alone():
                    inside.append(number)
                    await asyncio.sleep(0)
                    assert inside[-1] == number

    with anyio.fail_after(5):
        await abreast([()] * 5, 4, one)
    assert sorted(inside) == sorted([*range(5)] * 2)
    assert not turns.are_several
