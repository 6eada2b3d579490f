"""Who read since: counted for each call from the moment it was made."""

from __future__ import annotations

from pathlib import Path

from gateway.undo.plan import Exposure
from gateway.undo.select import Wanted
from tests.undo.rig import Policy, Store, a_rig


async def test_reads_are_counted_for_each_call_from_when_it_was_made(tmp_path: Path) -> None:
    policy = Policy()
    async with a_rig(tmp_path, Store({"a": "old"}), policy) as rig:
        await rig.call("get", key="a", task="t2")
        first = await rig.call("put", key="a", value="1")
        await rig.call("get", key="a", agent="agent:b", task="t3")
        await rig.call("get", key="a", task="t2")
        second = await rig.call("put", key="b", value="2")
        await rig.call("get", key="b", task="t2")
        policy.denied_agents.add("get")
        await rig.call("get", key="b", task="t4")
        plan = await rig.rollback().plan(Wanted(tasks=("t1",)))
    exposed = {entry.call.call_id: entry.exposed for entry in plan.entries}
    assert exposed == {
        first: (
            Exposure("agent:a", "local", "t2", 2),
            Exposure("agent:b", "local", "t3", 1),
        ),
        second: (Exposure("agent:a", "local", "t2", 1),),
    }
