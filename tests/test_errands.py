"""Inverse calls of the gateway: asked of the policy, on record, forwarded at most once."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from gateway.core.model import Outcome
from gateway.core.record import Permit
from gateway.errands import GatewayErrands
from gateway.errors import JournalError, Refused
from gateway.ports import Outbound, Purpose
from gateway.reasons import Reason
from gateway.values import replace
from tests.undo.rig import Policy, Store, a_rig


def forget_leases(connection: sqlite3.Connection) -> None:
    """As if their term were over."""
    connection.execute("DELETE FROM lease")


WHY = Purpose("operator:o", "undo1", {"undo_of": "c1", "step": 1})


async def test_an_inverse_call_is_asked_of_the_policy_as_the_operator(tmp_path: Path) -> None:
    policy = Policy()
    async with a_rig(tmp_path, Store(), policy) as rig:
        await rig.parts.errands.act("store", "put", {"key": "a", "value": "1"}, WHY)
    [asked] = policy.asked
    assert (asked.subject, asked.tier, asked.intent, asked.server, asked.tool) == (
        "operator:o",
        "admin",
        "undo",
        "store",
        "undo:put",
    )


async def test_one_the_policy_refuses_is_on_record_and_not_forwarded(tmp_path: Path) -> None:
    store, policy = Store(), Policy()
    policy.denied = {"undo:put"}
    async with a_rig(tmp_path, store, policy) as rig:
        with pytest.raises(Refused):
            await rig.parts.errands.act("store", "put", {"key": "a", "value": "1"}, WHY)
        assert rig.states("operator:o") == ["refused"]
    assert store.got == []


async def test_nothing_is_forwarded_when_the_intent_cannot_be_written(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        await rig.parts.journal.aclose()
        with pytest.raises(JournalError):
            await rig.parts.errands.act("store", "put", {"key": "a", "value": "1"}, WHY)
    assert store.got == []


class Busy(Store):
    """Counts the changes it is asked for at the same time."""

    now = most = 0

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        self.now += 1
        self.most = max(self.most, self.now)
        outcome = await super().call(permit, message, channel)
        self.now -= 1
        return outcome


@pytest.mark.parametrize(("companions", "most"), [({"store": "shop"}, 1), ({}, 3)])
async def test_a_companion_is_asked_for_one_change_at_a_time(
    tmp_path: Path, companions: dict[str, str], most: int
) -> None:
    store = Busy()
    async with a_rig(tmp_path, store) as rig:
        errands = GatewayErrands(
            policies=rig.policy,
            journal=rig.journal,
            protector=rig.parts.protector,
            servers={"store": store},
            destinations={},
            companions=companions,
            tenant="local",
            clock=rig.parts.clock,
            new_call_id=rig.parts.new_call_id,
        )
        asked = [errands.act("store", "put", {"key": key, "value": "1"}, WHY) for key in "abc"]
        async with asyncio.timeout(20):
            done = await asyncio.gather(*asked)
            for _, _, line in done:
                await line.sealed()
    assert (store.records, store.most) == (dict.fromkeys("abc", "1"), most)


async def test_one_whose_leases_have_ended_is_not_forwarded(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        leases = rig.parts.leases
        await leases.take("undo1.c1", ("store:/a",), term=60, quiesce=0)
        why = replace(WHY, claims=(leases.claim("undo1.c1"),))
        rig.journal.post(forget_leases)
        with pytest.raises(Refused) as no:
            await rig.parts.errands.act("store", "put", {"key": "a", "value": "1"}, why)
    assert no.value.reason is Reason.OVERLOADED
    assert store.got == []


async def test_what_it_puts_back_is_in_no_line_in_clear(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        call_id, outcome, line = await rig.parts.errands.act(
            "store", "put", {"key": "a", "value": "a private text"}, WHY
        )
        await line.sealed()
        lines = rig.reader.lines(call_id)
    assert outcome.kind == "ok"
    assert [str(line.kind) for line in lines] == ["intent", "applied"]
    assert not any(b"private" in line.body for line in lines)
    assert json.loads(lines[0].body)["body"] == WHY.body


async def test_a_wire_that_breaks_leaves_it_in_doubt(tmp_path: Path) -> None:
    store = Store()

    def broken(tool: str, arguments: object) -> Outcome | None:
        raise OSError("gone")

    store.late = broken
    async with a_rig(tmp_path, store) as rig:
        arguments = {"key": "a", "value": "1"}
        _, outcome, line = await rig.parts.errands.act("store", "put", arguments, WHY)
        await line.sealed()
        assert rig.states("operator:o") == ["in_doubt"]
    assert outcome.kind == "in_doubt"
    assert store.writes() == ["put"]
