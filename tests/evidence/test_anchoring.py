"""The newest checkpoint goes out; a place that fails gets the next one, and holds up no other."""

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

    def put(self, name: str, note: str) -> None:
        if self.is_closed:
            raise Unanchored("closed")
        self.took.append(name)


def note(size: int) -> str:
    return f"origin\n{size}\nroot\n"


def test_each_new_checkpoint_goes_to_each_place_once() -> None:
    held, one, other = Held(), Place(), Place()
    anchoring = Anchoring(held, [one, other])
    anchoring.catch_up()
    held.sizes += [7]
    anchoring.catch_up()
    anchoring.catch_up()
    held.sizes += [9]
    anchoring.catch_up()
    assert one.took == other.took == [f"checkpoint-{size:020d}" for size in (7, 9)]


def test_a_place_that_fails_gets_the_next_and_holds_up_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held, closed, other = Held(7), Place("mine"), Place()
    closed.is_closed = True
    anchoring = Anchoring(held, [closed, other])
    anchoring.catch_up()
    assert "checkpoint 7 is not anchored at mine: closed" in caplog.text
    held.sizes += [9]
    closed.is_closed = False
    anchoring.catch_up()
    assert len(closed.took) == 1
    assert len(other.took) == 2


async def test_of_two_gateways_one_anchors(tmp_path: Path) -> None:
    places = [Place(), Place()]
    with anyio.fail_after(20):
        tasks = [
            asyncio.create_task(keep_anchoring(tmp_path, lambda: Held(7), [place], 0.01))
            for place in places
        ]
        while not any(place.took for place in places):
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(len(place.took) for place in places) == [0, 1]


async def test_without_a_place_nothing_is_done(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        await keep_anchoring(tmp_path, Held, [], 1)
    assert [*tmp_path.iterdir()] == []
