"""A large result goes on when its intent is durable; a tool that has had one has its intents written at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.model import (
    ClientFacts,
    Endpoint,
    Era,
    Request,
    Resolved,
    Target,
    WorkloadIdentity,
)
from gateway.core.record import Claim, Queued, Sealed, State
from gateway.core.reverse import Level, Reversal
from gateway.errors import JournalError, Refused
from gateway.line.carrying import AGAIN, Carrying
from gateway.ports import Outlet
from gateway.reasons import Reason
from tests.free import Deaf

SERVER = Endpoint("server", server="s")


class Intent:
    """A line that remembers whether it was hurried, and is durable when it is told so."""

    line = Queued("call-1", State.INTENT)

    def __init__(self) -> None:
        self.hurried = False
        self.durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hurry(self) -> None:
        self.hurried = True

    async def sealed(self) -> Sealed:
        await self.durable
        return Sealed("call-1", State.INTENT, 1)


class Agent:
    """A channel with an outlet that remembers."""

    def __init__(self) -> None:
        self.begun = False
        self.outlet: Outlet = self

    async def begin(self) -> bool:
        self.begun = True
        return True

    async def write(self, *pieces: bytes) -> None:
        assert self.begun

    def add(self, pieces: Sequence[bytes]) -> bool:
        assert self.begun
        return True

    async def notify(self, method: str, params: dict[str, Any]) -> None:
        raise AssertionError

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        raise AssertionError


def calling(name: str, endpoint: Endpoint = SERVER) -> Resolved:
    who = WorkloadIdentity("i", "agent:ann", "local", "task", "", frozenset(), "id", 2**40)
    client = ClientFacts("2026-07-28", {}, {})
    request = Request(endpoint, who, Era.STATELESS, 1, "tools/call", {"name": name}, client)
    return Resolved(request, Target("s", "tool", name), None, {"name": name})


async def begun(carrying: Carrying, name: str, agent: Agent | None = None) -> Intent:
    """A call of which it turns out that its result is large; its intent, durable by then."""
    intent = Intent()
    out = carrying.outlet(calling(name), agent or Agent(), intent, None)
    assert out is not None
    intent.durable.set_result(None)
    assert await out.begin()
    return intent


async def looked(carrying: Carrying, name: str) -> bool:
    """A call with a small result: was its intent hurried?"""
    intent = Intent()
    assert carrying.outlet(calling(name), Agent(), intent, None) is not None
    return intent.hurried


async def test_nothing_goes_on_before_the_intent_is_durable() -> None:
    agent, intent = Agent(), Intent()
    out = Carrying().outlet(calling("t"), agent, intent, None)
    assert out is not None
    opening = asyncio.ensure_future(out.begin())
    await asyncio.sleep(0)
    assert not agent.begun and not opening.done()
    intent.durable.set_result(None)
    async with asyncio.timeout(20):
        assert await opening and agent.begun


@pytest.mark.parametrize(
    "why", [JournalError("the disk is full"), Refused(Reason.GRANT_SPENT, "nothing is left")]
)
async def test_nothing_goes_on_when_the_intent_cannot_be_written(why: Exception) -> None:
    agent, intent = Agent(), Intent()
    intent.durable.set_exception(why)
    out = Carrying().outlet(calling("t"), agent, intent, None)
    assert out is not None and not await out.begin() and not agent.begun


async def test_the_intent_of_a_tool_with_large_results_is_hurried_for_a_while() -> None:
    carrying = Carrying()
    assert not (await begun(carrying, "large")).hurried
    assert (await begun(carrying, "large")).hurried
    assert not await looked(carrying, "small")
    assert [await looked(carrying, "large") for _ in range(AGAIN + 1)] == [True] * AGAIN + [False]


@pytest.mark.parametrize("kind", ["all", "tier"])
async def test_on_an_aggregate_the_whole_is_looked_at_first(kind: Any) -> None:
    endpoint = Endpoint(kind)
    assert Carrying().outlet(calling("t", endpoint), Agent(), Intent(), None) is None


@pytest.mark.parametrize(("pack", "whole"), [("files", True), ("", False)])
async def test_the_result_of_a_write_that_a_pack_undoes_is_looked_at_first(
    pack: str, whole: bool
) -> None:
    prepared = Looked(Reversal(Level.EXACT, pack=pack), {})
    out = Carrying().outlet(calling("t"), Agent(), Intent(), prepared)
    assert (out is None) is whole


async def test_an_agent_that_takes_no_pieces_gets_the_whole() -> None:
    assert Carrying().outlet(calling("t"), Deaf(), Intent(), None) is None


@dataclass(frozen=True)
class Looked:
    """A write whose way back is known."""

    reversal: Reversal
    body: dict[str, Any]
    claims: tuple[Claim, ...] = ()
    looks: bool = True
