"""Held calls go out once, at their time, as the policy is then, in whichever gateway is there."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from unittest.mock import patch

import anyio
import pytest

from gateway.core.credential import account
from gateway.core.model import Outcome
from gateway.core.record import Permit, State
from gateway.core.resolve import Shelf, Table
from gateway.journals.payloads import PAYLOADS
from gateway.line.holding import Waiting
from gateway.ports import Outbound
from gateway.undo import outbox as outbox_module
from gateway.undo.held import Waitings
from gateway.undo.outbox import Outbox
from gateway.undo.select import Selector, Wanted
from tests.free import Deaf
from tests.undo.holding import BEFORE, DUE, Holding, desk, sent, waitings
from tests.undo.rig import Rig, Store, a_rig, failed

HOUR = 3_600 * 1_000_000


def state(rig: Rig, call: str) -> str:
    found = rig.reader.call(call)
    assert found is not None
    return str(found.state)


async def test_a_held_call_is_answered_at_once_and_nothing_is_done(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        arguments = {"key": "a", "value": "new"}
        call, answer = await rig.ask("store", "put", arguments, task="t1")
        assert state(rig, call) == "held"
        await sent(rig, BEFORE)
    said = (answer.result or {})["structuredContent"]
    assert (said["status"], said["call_id"]) == ("held", call)
    assert said["release_at"].startswith("1970-01-01T00:01:0")
    assert (answer.result or {})["isError"] is False
    assert (store.records, store.got) == ({"a": "old"}, [])


async def test_it_is_sent_at_its_time_and_can_then_be_taken_back(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        store.records["a"] = "meanwhile"
        await sent(rig)
        assert (state(rig, call), store.records) == ("applied", {"a": "new"})
        verdicts = await rig.undo(call)
    assert (verdicts, store.records) == ({call: "restored"}, {"a": "meanwhile"})


async def test_what_was_held_before_and_sent_since_was_done_since(tmp_path: Path) -> None:
    def done_since(at: int) -> list[str]:
        found = Selector(rig.parts.reader, rig.parts.ledger).select(Wanted(since=at))
        return [each.call_id for each in found.calls]

    async with a_rig(tmp_path, Store(), Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        [held] = rig.reader.lines(call)
        assert (done_since(held.at), done_since(held.at + 1)) == ([call], [])  # it waits still
        await sent(rig)
        [begun] = [line for line in rig.reader.lines(call) if line.kind == "intent"]
        assert (done_since(begun.at), done_since(begun.at + 1)) == ([call], [])


class Asking(Store):
    """It keeps until when each write could be lent a credential, in microseconds."""

    until: list[int]

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        if message.behalf is not None:
            self.until = [account(message.behalf).ends_at or 0]
        return await super().call(permit, message, channel)


async def test_a_call_that_waits_longer_than_its_token_lives_is_lent_what_it_needs(
    tmp_path: Path,
) -> None:
    store = Asking({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        rig.token_ends = BEFORE // 1_000_000 + 1
        call = await rig.call("put", key="a", value="new")
        await sent(rig)
        assert (state(rig, call), store.records) == ("applied", {"a": "new"})
    assert store.until[0] > DUE + 60_000_000


async def test_two_gateways_send_it_once(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as one, a_rig(tmp_path, store) as other:
        call = await one.call("put", key="a", value="new")
        with anyio.fail_after(60):
            await asyncio.gather(sent(one), sent(other), sent(one))
        assert state(one, call) == "applied"
    assert store.got == [("put", {"key": "a", "value": "new"})]


async def test_the_next_process_sends_what_the_last_one_held(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        await sent(rig)
        assert state(rig, call) == "applied"
    assert store.records == {"a": "new"}


async def test_at_its_time_it_is_decided_anew(tmp_path: Path) -> None:
    store, policy = Store({"a": "old"}), Holding("put")
    async with a_rig(tmp_path, store, policy) as rig:
        call = await rig.call("put", key="a", value="new")
        policy.denied_agents = {"put"}
        await sent(rig)
        found = rig.reader.call(call)
    assert found is not None and found.state is State.REFUSED
    assert found.outcome["reason"] == "no_rule"
    assert store.got == []


async def test_a_tool_that_is_away_for_a_while_makes_it_wait_on(tmp_path: Path) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        table, rig.catalogue.current = rig.catalogue.current, Table("2", Shelf(), {})
        await sent(rig)
        assert state(rig, call) == "held"
        rig.catalogue.current = table
        await sent(rig)
        assert state(rig, call) == "applied"
    assert store.records == {"a": "new"}


async def test_one_whose_time_was_missed_by_more_than_an_hour_is_put_to_a_person(
    tmp_path: Path,
) -> None:
    store = Store({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        await sent(rig, DUE + 2 * HOUR)
        assert (state(rig, call), store.got) == ("held", [])
        await desk(rig).release(call, "operator:o")
        await sent(rig, BEFORE)
        assert state(rig, call) == "applied"


async def test_one_that_cannot_be_opened_keeps_no_other_from_being_sent(tmp_path: Path) -> None:
    """Its payload was lost, or a gateway of another version has written it."""
    store = Store({"a": "old", "b": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        lost = await rig.call("put", key="a", value="new")
        call = await rig.call("put", key="b", value="new")
        await rig.journal.do(lambda connection: _lose(connection, lost))
        with pytest.raises(ValueError, match=lost):
            waitings(rig).find(lost)
        await sent(rig)
        assert (state(rig, lost), state(rig, call)) == ("held", "applied")
    assert store.records == {"a": "old", "b": "new"}


def _lose(connection: sqlite3.Connection, call: str) -> None:
    connection.execute(
        "DELETE FROM payload WHERE id / ? IN (SELECT seq FROM event WHERE call_id = ?)",
        (PAYLOADS, call),
    )


async def test_who_sends_them_goes_on_whatever_happens(tmp_path: Path) -> None:
    class Failing(Outbox):
        looks = 0

        async def look(self) -> None:
            self.looks += 1
            raise RuntimeError

    async with a_rig(tmp_path, Store()) as rig:
        outbox = Failing(waitings(rig), lambda waiting: rig.line.send(waiting, Deaf()), lambda: DUE)
        with patch.object(outbox_module, "LOOK_SECONDS", 0):
            keeping = asyncio.create_task(outbox.keep())
            with anyio.fail_after(20):
                while outbox.looks < 3:
                    await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait([keeping])
    assert keeping.cancelled()


async def test_agents_are_answered_while_it_reads_what_waits(tmp_path: Path) -> None:
    """There may be thousands that wait, each to be opened, and it looks every second."""
    begun, answered = threading.Event(), threading.Event()
    held_up = list[bool]()

    class Many(Waitings):
        def all(self) -> list[Waiting]:
            begun.set()
            held_up.append(not answered.wait(5))
            return super().all()

    async with a_rig(tmp_path, Store()) as rig:
        many = Many(rig.reader, rig.parts.protector)
        outbox = Outbox(many, lambda waiting: rig.line.send(waiting, Deaf()), lambda: DUE)
        with anyio.fail_after(20):
            looking = asyncio.create_task(outbox.look())
            await asyncio.to_thread(begun.wait, 10)
            answered.set()
            await looking
    assert held_up == [False]


class Slow(Store):
    """Does it, and never answers; nor can anyone see then what came of it."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        outcome = await super().call(permit, message, channel)
        if message.params["name"] == "put":
            await asyncio.Event().wait()
        return failed("busy") if self.got else outcome


async def test_one_that_was_being_sent_when_its_gateway_stopped_is_in_doubt_and_not_sent_again(
    tmp_path: Path,
) -> None:
    store = Slow({"a": "old"})
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="new")
        sending = asyncio.create_task(sent(rig))
        with anyio.fail_after(20):
            while not store.got:
                await asyncio.sleep(0)
        sending.cancel()
        await asyncio.wait([sending])
        assert state(rig, call) == "in_doubt"
        await sent(rig)
    assert len(store.got) == 1


async def test_of_two_gateways_one_sends_it_and_the_other_raises_no_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, policy = Store({"a": "old"}), Holding("put")
    async with a_rig(tmp_path, store, policy) as one, a_rig(tmp_path, store, policy) as other:
        call = await one.call("put", key="a", value="new")
        waiting = waitings(other).find(call)
        await sent(one)
        with anyio.fail_after(20):
            answer = await other.line.send(waiting, Deaf())
        assert (answer.error is not None, state(other, call)) == (True, "applied")
    assert store.writes() == ["put"]
    assert [said.levelname for said in caplog.records if call in said.getMessage()] == ["WARNING"]


async def test_a_pack_can_want_a_call_held_that_has_no_way_back(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("post", text="hello")
        assert (state(rig, call), store.got) == ("held", [])
        await sent(rig)
        found = rig.parts.ledger.recorded(call)
    assert store.writes() == ["post"]
    assert found is not None
    assert (found.reversal.level, found.reversal.strategy) == ("none", "hold")


async def test_a_call_its_pack_cannot_look_at_waits_all_the_same(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store) as rig:
        store.trouble = lambda tool, _: Outcome("in_doubt") if tool == "get" else None
        call = await rig.call("post", text="hello")
        assert (state(rig, call), store.got) == ("held", [])


async def test_its_secrets_are_in_no_clear_line(tmp_path: Path) -> None:
    store = Store()
    async with a_rig(tmp_path, store, Holding("put")) as rig:
        call = await rig.call("put", key="a", value="password=hunter2hunter2")
        lines = rig.reader.lines(call)
        waiting = waitings(rig).find(call)
    assert waiting.request.params["arguments"]["value"] == "password=hunter2hunter2"
    assert b"hunter2" not in b"".join(line.body for line in lines)
    assert "request" in lines[0].said["body"]
