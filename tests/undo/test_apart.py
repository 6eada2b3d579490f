"""A tool server that keeps its world in its own process, and a rollback that starts another."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.values import replace
from tests.undo import rig as small_world
from tests.undo.rig import Store, a_rig


@pytest.fixture
def nobody_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    certified = small_world.packs
    monkeypatch.setattr(small_world, "packs", lambda at: replace(certified(at), certified={}))


@pytest.mark.usefixtures("nobody_certified")
async def test_a_world_that_may_be_another_is_not_called_as_before(tmp_path: Path) -> None:
    agents, started = Store({"a": "old"}), Store({"a": "old"})
    async with a_rig(tmp_path, agents) as rig:
        call = await rig.call("put", key="a", value="new")
        async with a_rig(tmp_path, started) as beside:
            verdicts = await beside.undo(call)
    assert verdicts == {call: "failed"}
    assert (agents.records, started.records) == ({"a": "new"}, {"a": "old"})


@pytest.mark.usefixtures("nobody_certified")
async def test_a_call_that_left_all_as_the_process_began_is_not_undone_in_another(
    tmp_path: Path,
) -> None:
    """Put, then dropped: a process that was only just started shows the same, and would be written to."""
    agents, started = Store(), Store()
    async with a_rig(tmp_path, agents) as rig:
        put = await rig.call("put", key="a", value="new")
        dropped = await rig.call("drop", key="a")
        async with a_rig(tmp_path, started) as beside:
            verdicts = await beside.undo(dropped), await beside.undo(dropped, put)
    assert verdicts == ({dropped: "failed"}, {dropped: "failed", put: "conflict"})
    assert (agents.records, started.records) == ({}, {})


@pytest.mark.usefixtures("nobody_certified")
async def test_it_counts_what_another_tool_found_there_first(tmp_path: Path) -> None:
    agents, started = Store({"a": "old"}), Store({"a": "old"})
    async with a_rig(tmp_path, agents) as rig:
        await rig.call("rename", old="a", new="b")
        back = await rig.call("put", key="a", value="old")
        async with a_rig(tmp_path, started) as beside:
            verdicts = await beside.undo(back)
    assert verdicts == {back: "failed"}
    assert (agents.records, started.records) == ({"b": "old", "a": "old"}, {"a": "old"})


@pytest.mark.usefixtures("nobody_certified")
async def test_what_only_the_process_that_made_it_could_show_is_believed_beside_it(
    tmp_path: Path,
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        calls = [
            await rig.call("put", key="a", value="new"),
            await rig.call("drop", key="a"),
            await rig.call("put", key="a", value="newer"),
        ]
        async with a_rig(tmp_path, store) as beside:
            verdicts = await beside.undo(*calls)
    assert verdicts == dict.fromkeys(calls, "compensated")
    assert store.records == {"a": "old"}


@pytest.mark.usefixtures("nobody_certified")
async def test_what_was_undone_there_before_is_still_known_to_be(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
        verdicts = [await rig.undo(call) for _ in range(2)]
    assert verdicts == [{call: "compensated"}, {call: "already"}]
    assert store.records == {"a": "old"}


@pytest.mark.usefixtures("nobody_certified")
async def test_once_the_process_that_made_it_is_gone_the_look_is_believed(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
    store.records["a"] = "old"
    async with a_rig(tmp_path, store) as rig:
        verdicts = await rig.undo(call)
    assert verdicts == {call: "already"}
