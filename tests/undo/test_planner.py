"""A plan is the same whichever look comes to its end first."""

from __future__ import annotations

import asyncio
from pathlib import Path

import anyio

from gateway.core.model import Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from gateway.undo.select import Wanted
from tests.undo.rig import Store, a_rig

WANTED = Wanted(tasks=("t1",))


class Turned(Store):
    """Once it is turned, nobody hears of g before e was read."""

    turned = False

    def __init__(self, records: dict[str, str]) -> None:
        super().__init__(records)
        self.read = asyncio.Event()

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        outcome = await super().call(permit, message, channel)
        if self.turned and message.params["name"] == "get":
            if message.params["arguments"]["key"] == "g":
                await self.read.wait()
            else:
                self.read.set()
        return outcome


async def test_it_names_what_is_undone_before_a_call_in_the_order_of_undoing(
    tmp_path: Path,
) -> None:
    """Else its digest was another one each time, and a plan that was agreed to was not carried out."""
    store = Turned({"e": "1"})
    async with a_rig(tmp_path, store) as rig:
        renamed = await rig.call("rename", old="e", new="g")
        at_e = await rig.call("put", key="e", value="2")
        at_g = await rig.call("put", key="g", value="3")
        before = await rig.rollback().plan(WANTED)
        store.turned = True
        with anyio.fail_after(30):
            turned = await rig.rollback().plan(WANTED)
    after = {entry.call.call_id: entry.after for entry in turned.entries}
    assert after == {renamed: (at_g, at_e), at_e: (), at_g: ()}
    assert turned.digest == before.digest


async def test_what_a_later_call_may_have_moved_away_is_not_called_back_without_a_word(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), a_rig(tmp_path, Store()) as rig:
        call = await rig.call("put", key="a", value="new")
        moved = await rig.call("rename", old="a", new="b", agent="agent:b", task="t2")
        [entry] = (await rig.rollback().plan(Wanted(calls=(call,)))).entries
        verdicts = await rig.undo(call, moved)
        [again] = (await rig.rollback().plan(Wanted(calls=(call,)))).entries
    assert entry.standing == "already"
    assert entry.why.endswith(f"written later by {moved}, which may have moved what it left")
    assert (verdicts, rig.store.records) == ({moved: "restored", call: "restored"}, {})
    assert moved not in again.why
