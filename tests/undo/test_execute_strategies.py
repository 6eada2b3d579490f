"""Each way a pack can take a call back, through the real Line, journal and executor.

Restore, inverse, snapshot, hold and try-confirm-cancel have suites of their own (test_rollback.py, test_outbox.py,
test_comparing.py, tests/certify, tests/properties); here stands what those leave out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Outcome
from gateway.core.reverse import Level
from gateway.undo.select import Wanted
from tests.undo import rig
from tests.undo.rig import Rig, Store, a_rig

PUT = rig.PACK.index("  put:\n"), rig.PACK.index("  drop:\n")
Written = Callable[..., None]

QUARANTINE = """\
  put:
    keys: ["store:/${args.key}"]
    capture: {it: {use: record, arguments: {key: "${args.key}"}}}
    cases:
      - when: absent(pre.it)
        level: compensable
        strategy: quarantine
        residue: ["kept as trash/${call.id}"]
        inverse: [{tool: rename, arguments: {old: "${args.key}", new: "trash/${call.id}"}}]
    guard: &guard {compare: post, strength: locked-check}
"""
PREVIEW = """\
  put:
    keys: ["store:/${args.key}"]
    capture:
      it: {use: record, arguments: {key: "${args.key}"}}
      try: {use: preview, arguments: {key: "${args.key}", value: "${args.value}"}, compare: false}
    cases:
      - {when: "!(pre.try.takes)", level: noop, strategy: none}
      - when: present(pre.it)
        level: exact
        strategy: restore
        inverse: [{tool: put, idempotent: true, arguments: {key: "${args.key}", value: "${pre.it.value}"}}]
    guard: &guard {compare: post, strength: locked-check}
"""
PREVIEW_READ = """\
  preview:
    tool: preview
    take: {takes: {$eval: read.structured.takes}}
    schema: {type: object, required: [takes], properties: {takes: {type: boolean}}}
tools:
"""
NOTHING = """\
  put:
    keys: ["store:/${args.key}"]
    capture: {it: {use: record, arguments: {key: "${args.key}"}}}
    cases:
      - {when: "true", level: none, strategy: none}
    guard: &guard {compare: post, strength: locked-check}
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """The pack of the store, with another entry for `put`."""

    def with_put(entry: str, reads: str = "tools:\n") -> None:
        text = rig.PACK[: PUT[0]] + entry + rig.PACK[PUT[1] :]
        text = text.replace("*it", '{it: {use: record, arguments: {key: "${args.key}"}}}')
        monkeypatch.setattr(rig, "PACK", text.replace("\ntools:\n", f"\n{reads}", 1))

    return with_put


class Previewing(Store):
    """A store with a dry run: does it take this value?"""

    def _done(self, tool: str, arguments: dict[str, Any]) -> Outcome:
        if tool == "preview":
            takes = len(arguments["value"]) < 10
            return Outcome("ok", {"content": [], "structuredContent": {"takes": takes}})
        if tool == "put" and len(arguments["value"]) >= 10:
            return rig.failed("too long")
        return super()._done(tool, arguments)


def levels(made: Rig, call: str) -> Level:
    found = made.parts.ledger.recorded(call)
    assert found is not None
    return found.reversal.level


async def test_quarantine_puts_aside_what_a_call_made_and_loses_nobodys_bytes(
    tmp_path: Path, written: Written
) -> None:
    written(QUARANTINE)
    store = Store()
    async with a_rig(tmp_path, store) as made:
        call = await made.call("put", key="a", value="new")
        verdicts = await made.undo(call)
        again = await made.undo(call)
        other = await made.call("put", key="b", value="made")
        store.records["b"] = "a person's"
        conflict = await made.undo(other)
    assert verdicts == {call: "compensated"}
    assert again == {call: "already"}
    assert store.records == {f"trash/{call}": "new", "b": "a person's"}
    assert conflict == {other: "conflict"}


async def test_a_dry_run_is_a_look_that_chooses_the_case(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is asked what would come of the call, before anything decides on it."""
    fields = {"key": rig.KEY, "value": {"type": "string"}}
    monkeypatch.setattr(rig, "TOOLS", {**rig.TOOLS, "preview": fields})
    written(PREVIEW, PREVIEW_READ)
    store = Previewing({"a": "old"})
    async with a_rig(tmp_path, store) as made:
        vain = await made.call("put", key="a", value="far too long")
        done = await made.call("put", key="a", value="new")
        assert [levels(made, vain), levels(made, done)] == [Level.NOOP, Level.EXACT]
        verdicts = await made.undo(vain, done)
    assert verdicts == {vain: "no_effect", done: "restored"}
    assert store.records == {"a": "old"}


async def test_what_was_to_change_nothing_and_did_is_not_said_to_have_no_effect(
    tmp_path: Path, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"key": rig.KEY, "value": {"type": "string"}}
    monkeypatch.setattr(rig, "TOOLS", {**rig.TOOLS, "preview": fields})
    written(PREVIEW, PREVIEW_READ)

    class Wrong(Previewing):
        def _done(self, tool: str, arguments: dict[str, Any]) -> Outcome:
            return (
                super()._done(tool, arguments)
                if tool == "preview"
                else Store._done(self, tool, arguments)
            )

    store = Wrong({"a": "old"})
    async with a_rig(tmp_path, store) as made:
        call = await made.call("put", key="a", value="far too long")
        verdicts = await made.undo(call)
    assert verdicts == {call: "irreversible"}
    assert store.records == {"a": "far too long"}


async def test_none_is_said_beforehand_and_left_alone(tmp_path: Path, written: Written) -> None:
    written(NOTHING)
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as made:
        call = await made.call("put", key="a", value="new")
        assert levels(made, call) is Level.NONE
        verdicts = await made.undo(call)
    assert (verdicts, store.records) == ({call: "irreversible"}, {"a": "new"})


async def test_several_steps_are_taken_in_their_order(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store) as made:
        call = await made.call("rename", old="a", new="b")
        store.got.clear()
        verdicts = await made.undo(call)
    assert verdicts == {call: "restored"}
    assert store.got == [("put", {"key": "a", "value": "old"}), ("drop", {"key": "b"})]
    assert store.records == {"a": "old"}


MAIL = """\
  shout:
    keys: ["store:/all"]
    capture: {it: {use: record, arguments: {key: all}}}
    cases:
      - when: absent(pre.it)
        level: compensable
        strategy: snapshot
        residue: [what it told others]
        inverse: [{tool: drop, arguments: {key: all}}]
    guard: &guard {compare: post, strength: locked-check}
  put:
"""


async def test_what_a_call_told_others_stays_though_it_changed_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = rig.PACK.index("  put:\n")
    rest = rig.PACK[start + len("  put:\n") :].replace("guard: &guard {", "guard: {", 1)
    monkeypatch.setattr(rig, "PACK", rig.PACK[:start] + MAIL + rest)
    store = Store()
    async with a_rig(tmp_path, store) as made:
        before = await made.call("put", key="all", value="x")
        await made.call("drop", key="all")
        told = await made.call("shout", text="a mail")
        rollback = made.rollback()
        plan = await rollback.plan(Wanted(calls=(told,)))
        alone = await rollback.execute(plan, "refuse")
        among = await made.undo(tasks=("t1",))
    found = alone.found[told]
    assert (found.verdict, alone.exit_status) == ("compensated", 3)
    assert found.why == "it changed no record; stays behind: what it told others"
    assert (among[told], among[before]) == ("compensated", "restored")
    assert store.records == {}
