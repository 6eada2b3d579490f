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
