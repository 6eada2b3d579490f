"""Files are taken up when they have come to rest, never half-written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.files import following


class End(Exception):
    """No more looks."""


async def _taken(monkeypatch: pytest.MonkeyPatch, *looks: int) -> list[int]:
    """Which of these states, one at each look, are taken up."""
    states = list(looks)

    def look(_: object) -> following.Signature:
        if not states:
            raise End
        return (("f", 1, states.pop(0), 1),)

    monkeypatch.setattr(following, "signature", look)
    taken: list[int] = []
    with pytest.raises(End):
        async with asyncio.timeout(20):
            async for ((_, _, size, _),) in following.changes(lambda: [Path("f")], every=0):
                taken += [size]
    return taken


async def test_the_first_state_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _taken(monkeypatch, 1) == [1]


async def test_a_file_that_is_being_written_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _taken(monkeypatch, 1, 2, 3, 4, 4, 4) == [1, 4]


async def test_a_state_that_came_back_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _taken(monkeypatch, 1, 2, 1, 1, 1) == [1]


async def test_each_state_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _taken(monkeypatch, 1, 1, 2, 2, 2, 1, 1) == [1, 2, 1]


async def test_a_real_file_is_seen_to_change(tmp_path: Path) -> None:
    file = tmp_path / "policy.csv"
    file.write_text("one")
    changes = following.changes(lambda: [file], every=0)
    async with asyncio.timeout(20):
        first = await anext(changes)
        file.write_text("other")
        second = await anext(changes)
        file.unlink()
        third = await anext(changes)
    assert first != second
    assert third == ()


async def test_who_cannot_look_now_looks_again(tmp_path: Path) -> None:
    """Whoever opens many connections uses up what a look takes."""
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text("1")
    fails: list[OSError] = []

    def listed() -> list[Path]:
        if fails:
            raise fails.pop()
        return [*tmp_path.glob("*.json")]

    changes = following.changes(listed, every=0)
    async with asyncio.timeout(20):
        first = await anext(changes)
        fails += [OSError(24, "Too many open files")] * 3
        other.write_text("2")
        second = await anext(changes)
    assert [len(first), len(second)] == [1, 2]


async def test_what_could_not_be_taken_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode put right changes no file, nor does a disk that answers again."""
    monkeypatch.setattr(following, "signature", lambda _: (("f", 1, 1, 1),))
    faults: list[Exception] = [Misconfigured("mode is 0777")] * 2 + [OSError(24, "Too many")]
    told, taken = list[str](), asyncio.Event()

    async def take() -> None:
        if faults:
            raise faults.pop(0)
        taken.set()

    following_it = asyncio.create_task(following.follow(lambda: [], take, told.append, every=0))
    async with asyncio.timeout(20):
        await taken.wait()
    following_it.cancel()
    assert told == ["mode is 0777", "OSError: [Errno 24] Too many"]


async def test_what_was_taken_is_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, taken = list(range(5 * following.AGAIN)), list[int]()

    def look(_: object) -> following.Signature:
        if not looks:
            raise End
        looks.pop()
        return (("f", 1, 1, 1),)

    async def take() -> None:
        taken.append(1)

    monkeypatch.setattr(following, "signature", look)
    with pytest.raises(End):
        async with asyncio.timeout(20):
            await following.follow(lambda: [], take, print, every=0)
    assert taken == [1]
