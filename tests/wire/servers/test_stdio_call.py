"""One call in flight at a stdio server: what is told, in order, and what its limits end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.model import Answer, JsonObject, Outcome
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.stdio_call import InFlight, LimitReached
from gateway.wire.servers.vigil import FOREVER, Vigil

OK = Outcome("ok", {})


class Agent:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def notify(self, method: str, params: JsonObject) -> None:
        self.told.append(method)

    async def ask(self, method: str, params: JsonObject) -> Answer:
        raise AssertionError("nobody asks")


def in_flight(agent: Agent, first_byte: float, idle: float, total: float) -> InFlight:
    vigil, loop = Vigil(), asyncio.get_running_loop()
    patience = Patience(first_byte, idle, loop.time() + total)
    call = InFlight("call", None, agent, patience, vigil, loop)
    vigil.begin(call)
    return call


@pytest.mark.parametrize(
    ("first_byte", "idle", "total", "heard", "named"),
    [
        (0.05, 9, 9, False, "first_byte"),
        (9, 0.05, 9, True, "idle"),
        (9, 9, 0.05, False, "total"),
        (9, 9, 0.05, True, "total"),
    ],
)
async def test_silence_ends_by_the_limit_that_was_passed(
    first_byte: float, idle: float, total: float, heard: bool, named: str
) -> None:
    agent = Agent()
    call = in_flight(agent, first_byte, idle, total)
    if heard:
        call.tell("notifications/message", {}, 1)
    async with asyncio.timeout(20):
        with pytest.raises(LimitReached, match=named):
            await call.outcome()
    assert agent.told == ["notifications/message"] * heard


async def test_what_came_before_the_answer_is_told_before_it_and_nothing_after() -> None:
    agent = Agent()
    call = in_flight(agent, 9, 9, 9)
    waiting = asyncio.ensure_future(call.outcome())
    await asyncio.sleep(0)
    call.tell("first", {}, 1)
    call.tell("second", {}, 1)
    call.answer(OK)
    call.tell("late", {}, 1)
    call.answer(Outcome("in_doubt"))
    assert await waiting is OK
    assert agent.told == ["first", "second"]


async def test_an_answer_that_comes_as_its_limit_passes_counts() -> None:
    call = in_flight(Agent(), 9, 9, 9)
    waiting = asyncio.ensure_future(call.outcome())
    await asyncio.sleep(0)
    later = asyncio.get_running_loop().time() + 10
    assert call.look(later) == FOREVER
    call.answer(OK)
    assert await waiting is OK


async def test_a_call_whose_caller_has_left_is_not_late() -> None:
    call = in_flight(Agent(), 9, 9, 9)
    waiting = asyncio.ensure_future(call.outcome())
    await asyncio.sleep(0)
    waiting.cancel()
    later = asyncio.get_running_loop().time() + 10
    assert call.look(later) == FOREVER  # before the caller has heard of it
    with pytest.raises(asyncio.CancelledError):
        await waiting
