"""Inverse calls of the gateway: asked of the policy, on record, forwarded at most once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.core.model import Outcome
from gateway.errors import JournalError, Refused
from gateway.ports import Purpose
from tests.undo.rig import Policy, Store, a_rig

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


async def test_what_it_puts_back_is_in_no_line_in_clear(tmp_path: Path) -> None:
    async with a_rig(tmp_path, Store()) as rig:
        call_id, outcome = await rig.parts.errands.act(
            "store", "put", {"key": "a", "value": "a private text"}, WHY
        )
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
        _, outcome = await rig.parts.errands.act("store", "put", {"key": "a", "value": "1"}, WHY)
        assert rig.states("operator:o") == ["in_doubt"]
    assert outcome.kind == "in_doubt"
    assert store.writes() == ["put"]
