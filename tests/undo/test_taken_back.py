"""Calls that undos have taken back: they are found by where they wrote, and opened once for a plan of many."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gateway.core.reverse import Recorded
from gateway.undo.ledger import Ledger
from gateway.undo.taken_back import TakenBack
from gateway.undo.thread import undone_before
from gateway.values import replace
from tests.undo.rig import Rig, Store, a_rig


class Counting(Ledger):
    """Counts what is opened."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.reader, rig.parts.protector)
        self.opened: Counter[str] = Counter()

    def recorded(self, call_id: str) -> Recorded | None:
        self.opened[call_id] += 1
        return super().recorded(call_id)


async def test_the_world_is_as_an_undo_left_it_only_where_that_call_wrote(tmp_path: Path) -> None:
    store = Store({"a": "1", "b": "1"})
    async with a_rig(tmp_path, store) as rig:
        undone = [await rig.call("put", key=key, value="2") for key in "ab"]
        await rig.undo(tasks=("t1",))
        later = [await rig.call("put", key=key, value="1", task="t2") for key in "abc"]
        store.records["b"] = "a person's"
        ledger = Counting(rig)
        calls = [found for each in later if (found := Ledger.recorded(ledger, each)) is not None]
        taken = TakenBack(replace(rig.parts, ledger=ledger), undone_before(rig.reader))
        left = [await taken.left_it_so(call) for call in calls]
    assert left == [True, False, False]
    # Once to find where it wrote, once to look.
    assert ledger.opened == dict.fromkeys(undone, 2)
