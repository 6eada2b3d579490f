"""The newest checkpoint goes out; a place that fails gets the next one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio
import pytest

from gateway.evidence.anchoring import Anchoring, Unanchored, keep_anchoring


class Held:
    """Checkpoints, in memory."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = [*sizes]

    def checkpoint(self, covering: int = 0) -> str | None:
        return note(self.sizes[-1]) if self.sizes else None

    def close(self) -> None:
        return


class Place:
    """Remembers; may be closed."""

    def __init__(self, name: str = "there") -> None:
        self.name = name
        self.took: list[str] = []
        self.is_closed = False

    async def put(self, name: str, note: str) -> None:
        if self.is_closed:
            raise Unanchored("closed")
        self.took.append(name)


def note(size: int) -> str:
    return f"origin\n{size}\nroot\n"


async def test_each_new_checkpoint_goes_there_once() -> None:
    held, place = Held(7), Place()
    anchoring = Anchoring(held, place)
    await anchoring.catch_up()
    await anchoring.catch_up()
    held.sizes += [9]
    await anchoring.catch_up()
    assert place.took == [f"checkpoint-{size:020d}" for size in (7, 9)]


async def test_a_place_that_fails_gets_the_next(caplog: pytest.LogCaptureFixture) -> None:
    held, place = Held(7), Place("mine")
    place.is_closed = True
    anchoring = Anchoring(held, place)
    await anchoring.catch_up()
    assert "checkpoint 7 is not anchored at mine: closed" in caplog.text
    held.sizes += [9]
    place.is_closed = False
    await anchoring.catch_up()
    assert len(place.took) == 1


async def test_of_two_gateways_one_anchors(tmp_path: Path) -> None:
    places = [Place(), Place()]
    with anyio.fail_after(20):
        tasks = [
            asyncio.create_task(keep_anchoring(tmp_path / "lock", lambda: Held(7), place, 0.01))
            for place in places
        ]
        while not any(place.took for place in places):
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(len(place.took) for place in places) == [0, 1]
