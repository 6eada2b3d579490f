"""A try nobody heard back from is cancelled either way: the cancel may come first, and the try later."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import JsonObject, Outcome
from tests.undo import rig as small_world
from tests.undo.rig import KEY, Store, a_rig

SILENT = Outcome("in_doubt", detail="no answer")
PACK = (
    small_world.PACK
    + """\
  reserve:
    keys: ["store:/${args.key}"]
    capture: {it: {use: record, arguments: {key: "${args.key}"}}}
    cases:
      - when: absent(pre.it)
        level: compensable
        strategy: tcc
        residue: [its number is used up]
        inverse: [{tool: release, idempotent: true, arguments: {key: "${args.key}"}}]
    guard: *guard
    expect: present(cur.it) && cur.it.value == 'reserved'
"""
)


class Seats(Store):
    """Two-phase: what was released can never be reserved again, not even by a reserve that comes late."""

    def __init__(self) -> None:
        super().__init__()
        self.released: set[str] = set()

    def _done(self, tool: str, arguments: JsonObject) -> Outcome:
        key = arguments.get("key", "")
        if tool == "release":
            self.released.add(key)
            self.records.pop(key, None)
        elif tool == "reserve" and key not in self.released:
            self.records[key] = "reserved"
        elif tool not in ("release", "reserve"):
            return super()._done(tool, arguments)
        return Outcome("ok", {"content": []})


@pytest.fixture(autouse=True)
def two_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = {**small_world.TOOLS, "reserve": {"key": KEY}, "release": {"key": KEY}}
    monkeypatch.setattr(small_world, "TOOLS", tools)
    monkeypatch.setattr(small_world, "PACK", PACK)


async def test_a_try_that_was_answered_is_cancelled(tmp_path: Path) -> None:
    store = Seats()
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("reserve", key="12a")
        assert await rig.undo(call) == {call: "compensated"}
    assert (store.records, store.released) == ({}, {"12a"})


async def test_an_empty_cancel_keeps_a_hanging_try_from_taking_effect(tmp_path: Path) -> None:
    """The try is still on its way when the cancel arrives; nothing could be seen of it."""
    store = Seats()
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, _: SILENT if tool == "reserve" else None
        call = await rig.call("reserve", key="12a")
        assert await rig.undo(call) == {call: "compensated"}
        store._done("reserve", {"key": "12a"})
        again = await rig.undo(call)
    assert (store.records, store.writes()) == ({}, ["reserve", "release"])
    assert again == {call: "already"}


async def test_one_that_arrived_and_whose_answer_was_lost_is_cancelled_too(tmp_path: Path) -> None:
    store = Seats()
    async with a_rig(tmp_path, store) as rig:
        store.late = lambda tool, _: SILENT if tool == "reserve" else None
        call = await rig.call("reserve", key="12a")
        verdict = (await rig.undo(call))[call]
    assert (verdict, store.records) == ("compensated", {})


async def test_what_somebody_else_made_of_it_is_left_alone(tmp_path: Path) -> None:
    store = Seats()
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, _: SILENT if tool == "reserve" else None
        call = await rig.call("reserve", key="12a")
        store.records["12a"] = "sold to somebody"
        verdict = (await rig.undo(call))[call]
    assert (verdict, store.records) == ("conflict", {"12a": "sold to somebody"})
