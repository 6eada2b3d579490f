"""An undo that was cut off more than once goes on where all that was tried ends, not where its own lines do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.undo.select import Wanted
from gateway.undo.thread import Writer
from tests.undo.rig import Killed, Store, a_rig, dies


def killed(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("done", [False, True])
async def test_a_step_that_was_tried_is_known_where_the_line_of_the_one_before_it_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Dropping is no step that may be made twice. `done`: it arrived before the second kill."""
    store, quiet = Store({"a": "1"}), Store.trouble
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("rename", old="a", new="b")
        rollback = rig.rollback()
        plan = await rollback.plan(Wanted(calls=(call,)))
        monkeypatch.setattr(Writer, "step", killed)
        with pytest.raises(Killed):
            await rollback.execute(plan, "refuse")
    monkeypatch.undo()
    store.trouble, store.late = (quiet, dies("drop")) if done else (dies("drop"), quiet)
    async with a_rig(tmp_path, store) as rig:
        [undo_id] = rig.rollback().unfinished()
        with pytest.raises(Killed):
            await rig.rollback().resume(undo_id)
    store.trouble = store.late = quiet
    async with a_rig(tmp_path, store) as rig:
        report = await rig.rollback().resume(undo_id)
    assert store.writes() == ["rename", "put", "drop"]
    assert report.found[call].verdict == ("restored" if done else "conflict")
