"""The lines of an undo: what could not be written down is heard of before the undo is said to have ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.record import Line, Sealed
from gateway.errors import JournalError
from gateway.undo.select import Wanted
from tests.undo.rig import Store, a_rig


class Lost:
    """A line the disk did not take."""

    async def sealed(self) -> Sealed:
        raise JournalError("the disk failed")


async def test_an_undo_one_of_whose_lines_was_lost_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        rollback, append = rig.rollback(), rig.journal.append
        plan = await rollback.plan(Wanted(calls=(call,)))

        def losing(line: Line) -> Any:
            return Lost() if "verdict" in line.body else append(line)

        monkeypatch.setattr(rig.journal, "append", losing)
        with pytest.raises(JournalError, match="the disk failed"):
            await rollback.execute(plan, "refuse")
        monkeypatch.undo()
        [undo_id] = rollback.unfinished()
        report = await rollback.resume(undo_id)
    assert (report.found[call].verdict, store.writes()) == ("restored", ["put", "put"])
