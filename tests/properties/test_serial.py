"""P10: agents at work at once are as if one had come after the other, whatever their tool server makes of it.

The registers behind the gateway read, wait and write, as the reference servers do: two at once lose one.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.model import Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from tests.properties.elle import Done, wrong
from tests.undo.rig import Rig, Store, a_rig

SEQUENCES = int(os.environ.get("BULKHEAD_TEST_SEQUENCES", "3"))
AGENTS, CALLS = 4, 8
KEYS = ("x", "y")


@dataclass
class Registers(Store):
    """`put` appends, as a lossy server does it; it answers with the list it made."""

    chance: Random = field(default_factory=Random)

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        tool, arguments = message.params["name"], message.params["arguments"]
        if tool != "put":
            return await super().call(permit, message, channel)
        return await self.append(arguments["key"], arguments["value"])

    async def append(self, key: str, value: str) -> Outcome:
        there = self.records.get(key, "")
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        self.records[key] = made = f"{there}{value},"
        return Outcome("ok", {"content": [], "structuredContent": {"value": made}})


def read(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def lists(store: Store) -> dict[str, tuple[str, ...]]:
    return {key: read(store.records[key]) for key in KEYS}


async def history_of(
    directory: Path, store: Registers, chance: Random, gateways: int
) -> list[Done]:
    """All that the agents were answered, and when, as a count of events. They are spread over the gateways."""
    beat, done = itertools.count(), list[Done]()
    async with AsyncExitStack() as stack:
        rigs = [await stack.enter_async_context(a_rig(directory, store)) for _ in range(gateways)]
        agents = await stack.enter_async_context(asyncio.TaskGroup())

        async def agent(name: str, rig: Rig) -> None:
            for number in range(CALLS):
                key, value = chance.choice(KEYS), f"{name}{number}"
                tool, arguments = chance.choice(
                    [("put", {"key": key, "value": value}), ("get", {"key": key})]
                )
                began = next(beat)
                _, answer = await rig.ask(
                    "store", tool, arguments, task=name, agent=f"agent:{name}"
                )
                assert answer.result is not None
                found = read(answer.result["structuredContent"]["value"])
                done.append(Done(key, value * (tool == "put"), found, began, next(beat)))

        for number, name in enumerate("abcd"[:AGENTS]):
            agents.create_task(agent(name, rigs[number % gateways]))
    return done


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
@given(seed=st.integers(0, 2**32), gateways=st.sampled_from([1, 2]))
def test_p10_interleaved_agents_equal_some_serial_order(seed: int, gateways: int) -> None:
    store = Registers({"x": "", "y": ""}, chance=Random(seed))
    with tempfile.TemporaryDirectory() as directory:
        history = asyncio.run(history_of(Path(directory), store, Random(seed + 1), gateways))
    assert len(history) == AGENTS * CALLS
    assert wrong(history, lists(store)) == ""


async def test_without_a_gateway_the_same_agents_lose_each_others_writes() -> None:
    """So the check can fail."""
    store, beat, done = Registers({"x": "", "y": ""}, chance=Random(1)), itertools.count(), []

    async def agent(name: str) -> None:
        for number in range(CALLS):
            began = next(beat)
            answer = await store.append("x", f"{name}{number}")
            assert answer.result is not None
            found = read(answer.result["structuredContent"]["value"])
            done.append(Done("x", f"{name}{number}", found, began, next(beat)))

    async with asyncio.timeout(20), asyncio.TaskGroup() as agents:
        for name in "abcd"[:AGENTS]:
            agents.create_task(agent(name))
    assert "acknowledged" in wrong(done, lists(store))


def test_what_no_order_explains_is_seen() -> None:
    one = Done("x", "a", ("a",), 0, 1)
    stale = Done("x", "", (), 2, 3)
    torn = Done("x", "", ("b",), 2, 3)
    assert wrong([one], {"x": ["a"]}) == ""
    assert "a cycle" in wrong([one, stale], {"x": ["a"]})
    assert "never was" in wrong([one, torn], {"x": ["a"]})
