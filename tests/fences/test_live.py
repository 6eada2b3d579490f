"""Fences as a call meets them: before it, under it, after it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fence import Caught, Fence, Ring, Scope, caller
from gateway.errors import Refused
from gateway.fences import live
from gateway.fences.live import LiveFences
from gateway.fences.log import FenceLog
from gateway.line.bounds import Bounds
from gateway.values import replace
from tests.free import NoGrants
from tests.grants.given import call

WHOLE = Caught("agent:a", "acme", "t1", ("g2", "g1"), "git", "tool")


def fence(scope: Scope, value: str = "") -> Fence:
    return Fence(scope, value, "operator:ada", "strange", 5)


@pytest.mark.parametrize(
    ("scope", "mine", "other"),
    [
        ("agent", "agent:a", "agent:b"),
        ("tenant", "acme", "other"),
        ("task", "t1", "t2"),
        ("grant", "g1", "g3"),
        ("server", "git", "files"),
        ("tier", "tool", "admin"),
    ],
)
def test_a_fence_stops_what_it_names_and_nothing_else(scope: Scope, mine: str, other: str) -> None:
    assert WHOLE.by(fence(scope, mine))
    assert not WHOLE.by(fence(scope, other))
    assert not WHOLE.by(fence(scope, ""))


def test_all_is_all() -> None:
    assert Caught("", "", "").by(fence("all"))


@pytest.mark.parametrize("scope", ["all", "agent", "task", "tier"])
def test_a_fence_of_one_tenant_stops_nobody_of_another(scope: Scope) -> None:
    value = {"agent": "agent:a", "task": "t1", "tier": "tool"}.get(scope, "")
    assert WHOLE.by(replace(fence(scope, value), tenant="acme"))
    assert not WHOLE.by(replace(fence(scope, value), tenant="other"))


def test_a_call_without_a_task_is_not_stopped_for_one_without_a_name() -> None:
    assert not Caught("agent:a", "acme", "").by(fence("task", ""))


def test_a_caller_is_stopped_for_the_grant_its_token_names() -> None:
    assert caller(call("a", named="g1").resolved.request.identity).by(fence("grant", "g1"))
    assert not caller(call("a", named="g2").resolved.request.identity).by(fence("grant", "g1"))


def test_a_caller_is_not_stopped_for_a_server_it_has_not_named() -> None:
    assert not Caught("agent:a", "acme", "t1").by(fence("server", "git"))


def test_the_next_check_sees_a_fence_of_another_process(tmp_path: Path) -> None:
    fences = LiveFences(FenceLog(tmp_path))
    fences.check(WHOLE)
    elsewhere = FenceLog(tmp_path)
    elsewhere.fence(fence("agent", "agent:a"))
    with pytest.raises(Refused, match=r"fenced: agent agent:a \(operator:ada: strange\)"):
        fences.check(WHOLE)
    elsewhere.lift(elsewhere.read(), "operator:ada", "", 9)
    fences.check(WHOLE)


def test_a_log_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    log = FenceLog(tmp_path)
    fences = LiveFences(log)
    with log.path.open("a") as file:
        file.write("nonsense\n")
    for _ in range(2):
        with pytest.raises(Refused, match="cannot be read"):
            fences.check(Caught("agent:b", "other", "t2"))


def test_a_log_that_has_become_shorter_stops_everything(tmp_path: Path) -> None:
    """Else whoever cut it would have lifted what stood in it."""
    log = FenceLog(tmp_path)
    log.fence(fence("agent", "agent:a"), fence("agent", "agent:z"))
    one = len(log.path.read_bytes().splitlines(keepends=True)[0])
    fences = LiveFences(log)
    other = Caught("agent:b", "other", "t2")
    fences.check(other)
    for size in (one, 0):
        os.truncate(log.path, size)
        with pytest.raises(Refused, match="cannot be read"):
            fences.check(other)


def test_a_fence_that_falls_while_a_gateway_starts_is_seen(tmp_path: Path) -> None:
    class Slow(FenceLog):
        def read(self) -> tuple[Fence, ...]:
            found = super().read()
            if not found:
                FenceLog(tmp_path).fence(fence("all"))
            return found

    with pytest.raises(Refused):
        LiveFences(Slow(tmp_path)).check(WHOLE)


def _moved_away(state: Path) -> None:
    state.rename(state.with_name("kept"))


def _for_another_file(state: Path) -> None:
    _moved_away(state)
    FenceLog(state).fence(fence("agent", "agent:z"))


def _for_a_file_where_its_directory_was(state: Path) -> None:
    _moved_away(state)
    state.touch()


@pytest.mark.parametrize(
    "replaced", [_moved_away, _for_another_file, _for_a_file_where_its_directory_was]
)
async def test_while_another_file_is_in_its_place_everything_is_stopped(
    replaced: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOKS", 1)
    state, began = tmp_path / "state", asyncio.Event()
    fences = LiveFences(FenceLog(state))
    watch = asyncio.create_task(fences.watch())
    mine = asyncio.create_task(_forward(fences, WHOLE, began))
    async with asyncio.timeout(20):
        await began.wait()
        replaced(state)
        assert await mine == "cut off"
    for _ in range(3):
        with pytest.raises(Refused, match="cannot be read"):
            fences.check(WHOLE)
    if state.is_dir():
        shutil.rmtree(state)
    else:
        state.unlink(missing_ok=True)
    state.with_name("kept").rename(state)
    async with asyncio.timeout(20):
        while fences.standing():
            await asyncio.sleep(0)
    fences.check(WHOLE)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def _forward(fences: LiveFences, caught: Caught, began: asyncio.Event) -> str:
    said = "cut off"
    with fences.watching(caught):
        began.set()
        await asyncio.sleep(60)
        said = "answered"
    return said


async def test_a_call_under_way_is_cut_off_and_goes_on_to_its_end(tmp_path: Path) -> None:
    fences, elsewhere = LiveFences(FenceLog(tmp_path)), FenceLog(tmp_path)
    began, other = asyncio.Event(), asyncio.Event()
    watch = asyncio.create_task(fences.watch())
    mine = asyncio.create_task(_forward(fences, WHOLE, began))
    theirs = asyncio.create_task(_forward(fences, Caught("agent:b", "acme", "t2"), other))
    async with asyncio.timeout(20):
        await asyncio.gather(began.wait(), other.wait())
        elsewhere.fence(fence("task", "t1"))
        assert await mine == "cut off"
    assert not theirs.done()
    assert mine.cancelling() == 0
    for task in (theirs, watch):
        task.cancel()
    await asyncio.gather(theirs, watch, return_exceptions=True)


async def test_an_agent_that_goes_away_meanwhile_has_gone_away(tmp_path: Path) -> None:
    fences = LiveFences(FenceLog(tmp_path))
    began = asyncio.Event()
    mine = asyncio.create_task(_forward(fences, WHOLE, began))
    async with asyncio.timeout(20):
        await began.wait()
        FenceLog(tmp_path).fence(fence("task", "t1"))
        with pytest.raises(Refused):
            fences.check(WHOLE)
        mine.cancel()
        await asyncio.wait([mine])
    assert mine.cancelled()


async def test_the_watch_cuts_off_what_is_fenced_also_after_somebody_it_told_has_failed(
    tmp_path: Path,
) -> None:
    fences, elsewhere, failed = LiveFences(FenceLog(tmp_path)), FenceLog(tmp_path), asyncio.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("a bug")

    fences.on_change = fail
    watch = asyncio.create_task(fences.watch())
    async with asyncio.timeout(20):
        elsewhere.fence(fence("task", "t9"))
        await failed.wait()
        with fences.watching(WHOLE) as watched:
            elsewhere.fence(fence("task", "t1"))
            await asyncio.Event().wait()
    assert watched.was_cut
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


async def test_whoever_watches_a_list_is_told_once_for_each_change(tmp_path: Path) -> None:
    fences, told = LiveFences(FenceLog(tmp_path)), list[int]()
    fences.on_change = lambda: told.append(1)
    fences.check(WHOLE)
    FenceLog(tmp_path).fence(fence("task", "t9"))
    fences.check(WHOLE)
    fences.check(WHOLE)
    assert told == [1]


SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
NAMES = st.sampled_from(["", "agent:a", "acme", "t1", "g1", "g2", "git", "tool"])
FENCES = st.builds(
    Fence, st.sampled_from(SCOPES), NAMES, st.just("operator:ada"), st.just(""), st.just(5), NAMES
)


@given(st.lists(FENCES, max_size=6), st.booleans())
def test_a_ring_has_a_fence_around_what_any_of_its_fences_stops(
    fences: list[Fence], named: bool
) -> None:
    one = WHOLE if named else Caught("agent:a", "acme", "")
    found = Ring(fences).around(one)
    assert (found is not None) is any(one.by(fence) for fence in fences)
    assert found is None or (found in fences and one.by(found))


def steps_of_a_call(directory: Path, others: int) -> int:
    """Calls of functions that fences cost one call: before it, of a list, and after it."""
    directory.mkdir()
    log, steps = FenceLog(directory), 0
    log.fence(*(fence("grant", f"h{number}") for number in range(others)))
    bounds, made = Bounds(NoGrants(), LiveFences(log)), call("a")

    def step(frame: object, event: str, _: object) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(step)
    covered = bounds.cover(made, bounds.admit(made.resolved.request.identity))
    free = bounds.shows(made) and not bounds.withholds(covered)
    sys.setprofile(None)
    log.close()
    assert free
    return steps


def test_a_call_costs_the_same_however_many_fences_of_others_stand(tmp_path: Path) -> None:
    """They stand until a person lifts them, and one `contain` sets one for each grant it revokes."""
    assert steps_of_a_call(tmp_path / "many", 500) == steps_of_a_call(tmp_path / "one", 1)
