"""A pack that was mended after the call: its steps count only when that is asked for, and are on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.undo.select import Wanted
from tests.undo import rig as small_world
from tests.undo.rig import Store, a_rig

MENDED = small_world.PACK.replace("a new version number", "a newer one")
OTHER_READS = (
    small_world.PACK.replace("{it: {use", "{that: {use")
    .replace("pre.it", "pre.that")
    .replace("cur.it", "cur.that")
    .replace("predict_post: {it:", "predict_post: {that:")
)


async def test_steps_are_worked_out_anew_by_the_pack_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
    monkeypatch.setattr(small_world, "PACK", MENDED)
    async with a_rig(tmp_path, store) as rig:
        rollback, wanted = rig.rollback(), Wanted(calls=(call,))
        [as_recorded] = (await rollback.plan(wanted)).entries
        plan = await rollback.plan(wanted, replan=True)
        [anew] = plan.entries
        report = await rollback.execute(plan, "refuse")
        [undo] = [row for row in rig.calls() if row.record.method == "bulkhead/undo"]
    assert as_recorded.standing == "unreadable"
    assert (anew.standing, anew.call.reversal.residue) == ("ready", ("a newer one",))
    assert report.found[call].verdict == "restored"
    assert store.records == {"a": "old"}
    assert undo.record.arguments["replanned"] == {call: anew.call.reversal.pack}


async def test_a_pack_that_reads_other_things_cannot_speak_for_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="new")
    monkeypatch.setattr(small_world, "PACK", OTHER_READS)
    async with a_rig(tmp_path, store) as rig:
        plan = await rig.rollback().plan(Wanted(calls=(call,)), replan=True)
    assert plan.entries[0].standing == "unreadable"
    assert plan.replanned == {}
