"""Before a write: leased, read, its level found. After it: read again, judged, let go."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway.core.model import Outcome, RpcError
from gateway.core.record import State
from gateway.core.reverse import Captured, Lease, Level, Step, Taking
from gateway.errors import Refused
from gateway.journals.leases import NEVER
from gateway.reasons import Reason
from gateway.undo.scope import TemplateFailed
from gateway.values import replace
from tests.undo.shop import OK, ShelfCase, Shop, put, shop

WRONG = Outcome("tool_error", {"content": [], "isError": True})


async def written(at: Shop, outcome: Outcome = OK, text: str | None = "new") -> tuple[State, Level]:
    """One call that leaves `text` behind (None: nothing), answered so."""
    at.shelf.texts["a"] = "old"
    ready = await at.reverser.prepare("call-1", put(), False)
    if text is not None:
        at.shelf.texts["a"] = text
    settled = await at.reverser.settle(ready, outcome)
    at.reverser.release("call-1")
    return settled.state, settled.reversal.level


async def test_a_write_is_captured_before_and_after_and_knows_its_inverse(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.texts["a"] = "old"
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.texts["a"] = "new"
        settled = await at.reverser.settle(ready, OK)
        at.reverser.release("call-1")
        own = at.own_reads()
    found = ready.reversal
    assert (found.level, found.strategy, found.guard) == (Level.EXACT, "restore", "locked-check")
    assert found.leases == (Lease("shelf:/a/text", 1),)
    assert found.pre == {"t": Captured("value", "old")}
    assert found.steps == (Step("shelf", "put", {"name": "a", "text": "old"}),)
    assert found.undo_until is not None
    assert (settled.state, settled.post) == (State.APPLIED, {"t": Captured("value", "new")})
    assert [[line.kind for line in lines] for lines in own] == [["intent", "applied"]] * 2
    first = json.loads(own[0][0].body)["record"]
    assert (first["agent"], first["tier"], first["effect"]) == ("bulkhead:undo", "admin", "read")
    assert (first["task"], first["where"]) == ("task-1", "for call call-1")


async def test_a_look_into_the_memory_of_another_process_tells_nothing_of_a_call(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.looks_within = at.shelf.pid = 7
        assert await written(at) == (State.APPLIED, Level.EXACT)
        at.shelf.pid = 8  # the gateway's own; 7 is another gateway's, and was there first
        assert await written(at, text=None) == (State.APPLIED, Level.NONE)
        ready = await at.reverser.prepare("call-2", put(), False)
        at.reverser.release("call-2")
    assert "within another process" in ready.reversal.why


async def test_a_server_that_ended_since_the_call_was_captured_is_not_looked_at_for_another(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.looks_within = 7
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.looks_within = at.shelf.pid = 8
        settled = await at.reverser.settle(ready, OK)
        at.reverser.release("call-1")
    assert (settled.state, settled.reversal.level) == (State.APPLIED, Level.NONE)


async def test_what_is_captured_is_in_no_line_in_clear(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.texts["a"] = "a word of the agent's own"
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.texts["a"] = "another"
        settled = await at.reverser.settle(ready, OK)
        body = at.reverser.body(ready, settled)
        lines = b"".join(line.body for lines in at.own_reads() for line in lines)
    said = json.dumps(ready.body) + json.dumps(body) + lines.decode()
    assert "word of the agent" not in said and "another" not in said
    assert "shelf:/a/text" in said


async def test_arguments_that_may_not_be_kept_are_in_no_key_and_in_no_read(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        ready = await at.reverser.prepare("call-1", put("classified"), True)
        lines = b"".join(line.body for lines in at.own_reads() for line in lines)
    assert "classified" not in json.dumps(ready.body) + lines.decode()
    assert ready.reversal.leases == (Lease("shelf:/classified/text", 1),)


async def test_without_a_pack_a_write_has_the_server_to_itself(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path, patience=1.0) as at:
        at.packs.pack = None
        ready = await at.reverser.prepare("call-1", put(), False)
        with pytest.raises(Refused) as no:
            await at.reverser.prepare("call-2", put("b"), False)
        settled = await at.reverser.settle(ready, OK)
        at.reverser.release("call-1")
        again = await at.reverser.prepare("call-3", put("b"), False)
    assert (ready.reversal.level, ready.reversal.leases) == (
        Level.UNKNOWN,
        (Lease("server:/shelf", 1),),
    )
    assert no.value.reason is Reason.OVERLOADED
    assert (settled.state, at.shelf.looked) == (State.APPLIED, [])
    assert again.reversal.leases[0].epoch > 1


async def test_without_a_pack_a_write_of_a_free_server_is_prepared_without_a_wait(
    tmp_path: Path,
) -> None:
    """As it is with one, but for the number of its lease; with a pack, or a server that is starting, never."""
    async with asyncio.timeout(20), shop(tmp_path, patience=1.0) as at:
        pack, at.packs.pack = at.packs.pack, None
        for call in ("call-1", "call-2"):
            waited = await at.reverser.prepare(call, put(), False)
            at.reverser.release(call)
        ready = at.reverser.at_once("call-3", put(), False)
        taken = at.reverser.at_once("call-4", put("b"), False)
        at.reverser.release("call-3")
        at.shelf.starting = True
        starting = at.reverser.at_once("call-5", put(), False)
        at.shelf.starting = False
        at.packs.pack = pack
        with_pack = at.reverser.at_once("call-6", put(), False)
    assert ready is not None
    assert (taken, starting, with_pack) == (None, None, None)
    [claim] = ready.claims
    assert isinstance(claim, Taking) and claim.lease == Lease("server:/shelf", 3)
    assert ready.reversal == replace(waited.reversal, leases=(claim.lease,))
    assert ready.body["undo"] == {**waited.body["undo"], "leases": [["server:/shelf", 3]]}
    assert (ready.looks, waited.looks) == (False, False)


async def test_a_tool_that_is_withheld_is_not_read_with_and_its_word_is_nobodys(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.packs.withheld["look"] = "changed since it was approved"
        ready = await at.reverser.prepare("call-1", put(), False)
        settled = await at.reverser.settle(ready, OK)
    assert at.shelf.looked == []
    assert ready.reversal.why == "look of shelf is withheld: changed since it was approved"
    assert {ready.reversal.level, settled.reversal.level} == {Level.UNKNOWN}
    assert ready.reversal.leases == (Lease("server:/shelf", 1),)


@pytest.mark.parametrize(
    ("version", "kind", "comes_to"),
    [
        ("1.0", "ok", (State.APPLIED, Level.EXACT)),
        ("2.0", "ok", (State.APPLIED, Level.NONE)),
        ("2.0", "tool_error", (State.IN_DOUBT, Level.NONE)),
    ],
)
async def test_an_answer_of_another_version_is_not_judged_by_a_pack_for_this_one(
    tmp_path: Path, version: str, kind: str, comes_to: tuple[State, Level]
) -> None:
    meta = {"io.modelcontextprotocol/serverInfo": {"name": "shelf", "version": version}}
    result = {"content": [], "isError": kind != "ok", "_meta": meta}
    async with asyncio.timeout(20), shop(tmp_path) as at:
        came_to = await written(at, Outcome(kind, result))  # type: ignore[arg-type]
    assert came_to == comes_to


async def test_a_server_that_is_starting_is_waited_for_or_its_pack_would_not_be_in_force(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.starting = True
        _, level = await written(at)
    assert level is Level.EXACT


async def test_writers_of_one_thing_wait_for_each_other_and_others_do_not(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.texts["a"] = "old"
        first = await at.reverser.prepare("call-1", put("a"), False)
        other = await at.reverser.prepare("call-2", put("b"), False)
        second = asyncio.create_task(at.reverser.prepare("call-3", put("a"), False))
        at.shelf.texts["a"] = "new"
        await at.reverser.settle(first, OK)
        at.reverser.release("call-1")
        later = await second
    assert later.reversal.pre == {"t": Captured("value", "new")}
    epochs = [ready.reversal.leases[0].epoch for ready in (first, other, later)]
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize(
    ("bend", "says"),
    [
        (lambda at: setattr(at.shelf, "mute", True), "pre-image"),
        (lambda at: setattr(at.pack, "case", None), "no case"),
        (lambda at: setattr(at.pack, "breaks", TemplateFailed("no member x")), "no member x"),
        (lambda at: setattr(at.pack, "breaks", RuntimeError("a bug")), "a bug"),
        (lambda at: setattr(at.pack, "keys", lambda scope: ("shelf:/b",)), "not among"),
    ],
)
async def test_what_a_pack_cannot_tell_is_level_none_never_a_guess(
    tmp_path: Path, bend: object, says: str
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        bend(at)  # type: ignore[operator]
        ready = await at.reverser.prepare("call-1", put(), False)
        settled = await at.reverser.settle(ready, OK)
    assert (ready.reversal.level, ready.reversal.steps) == (Level.NONE, None)
    assert says in ready.reversal.why
    assert ready.reversal.leases
    assert settled.reversal.level is Level.NONE


@pytest.mark.parametrize(("secret", "heard"), [(False, "the shelf is locked"), (True, "")])
async def test_what_the_tool_server_said_is_for_a_refusal_and_in_no_line_of_what_is_forwarded(
    tmp_path: Path, secret: bool, heard: str
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.mute = True
        ready = await at.reverser.prepare("call-1", put(), secret)
        settled = await at.reverser.settle(ready, OK)
        lines = json.dumps(ready.body) + json.dumps(at.reverser.body(ready, settled))
    assert ready.reversal.heard == heard
    assert "locked" not in lines


async def test_a_pack_that_is_not_certified_may_claim_no_more_than_compensable(
    tmp_path: Path,
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.cap = Level.COMPENSABLE
        ready = await at.reverser.prepare("call-1", put(), False)
    assert ready.reversal.level is Level.COMPENSABLE
    assert "exact" in ready.reversal.why


@pytest.mark.parametrize(
    ("outcome", "leaves", "state"),
    [
        (OK, "new", State.APPLIED),
        (OK, None, State.NO_EFFECT),
        (WRONG, None, State.FAILED),
        (WRONG, "new", State.IN_DOUBT),
        (Outcome("ok", {"error": "Database error"}), None, State.FAILED),
        (Outcome("ok", {"error": "Database error"}), "new", State.IN_DOUBT),
        (Outcome("rejected", error=RpcError(-32602, "no")), None, State.REJECTED),
        (Outcome("rejected", error=RpcError(-32602, "no")), "new", State.IN_DOUBT),
        (Outcome("in_doubt", detail="no answer"), "new", State.IN_DOUBT),
        (Outcome("ok", {"resultType": "input_required"}), None, State.APPLIED),
    ],
)
async def test_an_answer_is_held_against_the_world(
    tmp_path: Path, outcome: Outcome, leaves: str | None, state: State
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        found, _ = await written(at, outcome, leaves)
    assert found is state


async def test_a_call_that_never_left_is_rejected_without_a_look(tmp_path: Path) -> None:
    never = Outcome("rejected", error=RpcError(1002, "down"), detail="tool server shelf: down")
    async with asyncio.timeout(20), shop(tmp_path) as at:
        state, level = await written(at, never, "a human's")
        looked = at.shelf.looked
    assert (state, level, looked) == (State.REJECTED, Level.NOOP, ["a"])


@pytest.mark.parametrize(("outcome", "state"), [(OK, State.APPLIED), (WRONG, State.IN_DOUBT)])
async def test_without_a_post_image_nothing_can_be_undone_and_no_failure_is_believed(
    tmp_path: Path, outcome: Outcome, state: State
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.mute = True
        settled = await at.reverser.settle(ready, outcome)
    assert (settled.state, settled.reversal.level, settled.post) == (state, Level.NONE, None)


async def test_steps_that_need_the_result_are_made_when_it_is_there(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.case = ShelfCase(needs_result=True)
        at.shelf.texts["a"] = "old"
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.texts["a"] = "new"
        settled = await at.reverser.settle(ready, OK)
    assert ready.reversal.steps is None
    assert settled.reversal.steps == (Step("shelf", "put", {"name": "a", "text": "old"}),)


async def test_why_nobody_knows_what_a_call_changed_is_not_lost_behind_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finds(scope: object) -> None:
        raise TemplateFailed("the companion gave no answer")

    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.pack.case = ShelfCase(needs_result=True)
        monkeypatch.setattr(at.pack, "finds", finds)
        at.shelf.texts["a"] = "old"
        ready = await at.reverser.prepare("call-1", put(), False)
        at.shelf.texts["a"] = "new"
        settled = await at.reverser.settle(ready, OK)
    told = (settled.reversal.level, settled.reversal.why, settled.reversal.steps)
    assert told == (Level.NONE, "what it changed: the companion gave no answer", None)


async def test_what_a_write_left_behind_rests_on_its_leases(tmp_path: Path) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        ready = await at.reverser.prepare("call-1", put(), False)
        at.leases.release("call-1")
        at.shelf.texts["a"] = "new"
        settled = await at.reverser.settle(ready, OK)
    assert settled.rests_on is not None
    assert (settled.rests_on.call_id, settled.rests_on.count) == ("call-1", NEVER)


async def test_a_bug_in_a_pack_leaves_the_call_in_doubt_not_the_gateway_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(20), shop(tmp_path) as at:
        ready = await at.reverser.prepare("call-1", put(), False)
        at.pack.same = _broken  # type: ignore[method-assign,assignment]
        settled = await at.reverser.settle(ready, OK)
        at.reverser.release("call-1")
    assert (settled.state, settled.reversal.level) == (State.IN_DOUBT, Level.NONE)


def _broken(*_: object) -> bool:
    raise ZeroDivisionError


async def test_a_pre_image_too_large_to_keep_is_level_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journals.protect.UNDO_BYTES", 100)
    async with asyncio.timeout(20), shop(tmp_path) as at:
        at.shelf.texts["a"] = "x" * 200
        ready = await at.reverser.prepare("call-1", put(), False)
        settled = await at.reverser.settle(ready, OK)
    assert (ready.reversal.level, ready.reversal.pre, ready.reversal.steps) == (
        Level.NONE,
        {},
        None,
    )
    assert settled.state is State.APPLIED
    assert replace(ready.reversal, level=Level.NONE) == ready.reversal
