"""A plan carried out, many calls at once: the same world and the same verdicts as one after the other."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.core.model import JsonObject, Outcome
from gateway.core.record import Permit
from gateway.ports import Outbound
from gateway.settings import ServerLimits, ServerSettings
from gateway.undo.plan import Choice
from gateway.undo.rollback import Rollback
from gateway.undo.select import Wanted
from gateway.values import replace
from tests.undo import rig as rigs
from tests.undo.listed import Listed
from tests.undo.rig import Rig, Store, a_rig, failed

SILENT = Outcome("in_doubt", detail="no answer")
WANTED = Wanted(tasks=("t1",))


class Slow(Store):
    """Answers after a while, which differs from call to call, and counts who is served at the same time."""

    def __init__(self, records: dict[str, str], rng: Random | None = None) -> None:
        super().__init__(records)
        self.rng = rng or Random(7)
        self.slow = False
        self.now = self.most = 0
        self.fenced_over = 0
        """So many were under way when it was stopped."""
        self.life = 0
        """When it ends, nobody hears what came of what was under way."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        self.now += 1
        self.most = max(self.most, self.now)
        life = self.life
        try:
            await self._while()
            outcome = await super().call(permit, message, channel)
            await self._while()
        finally:
            self.now -= 1
        return outcome if life == self.life else Outcome("in_doubt", detail="it ended")

    async def _while(self) -> None:
        for _ in range(self.rng.randrange(4) if self.slow else 0):
            await asyncio.sleep(0)

    async def fence(self) -> bool:
        self.fenced_over += self.now
        return await super().fence()


class Referred(Store):
    """What refers to others goes only when that was tried with the others."""

    before: asyncio.Event | None = None

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        is_drop = message.params["name"] == "drop"
        if self.before is not None and is_drop and "." in message.params["arguments"]["key"]:
            await self.before.wait()
        return await super().call(permit, message, channel)


def rollback(rig: Rig, most: int = 256) -> Rollback:
    """`most`: calls the tool server takes at the same time."""
    one = ServerSettings(command=("store",), limits=ServerLimits(quiesce=0.0, concurrency=most))
    return Rollback(replace(rig.parts, settings={"store": one}), "operator:o")


CALLS = st.lists(
    st.tuples(st.sampled_from("pdr"), st.sampled_from("abcd"), st.sampled_from("abcd")),
    min_size=1,
    max_size=8,
)


async def _harmed(rig: Rig, calls: list[tuple[str, str, str]]) -> list[str]:
    made = []
    for number, (what, key, other) in enumerate(calls):
        task = "t2" if number % 5 == 4 else "t1"
        if what == "p":
            made.append(await rig.call("put", task=task, key=key, value=f"{number}"))
        elif what == "d":
            made.append(await rig.call("drop", task=task, key=key))
        elif key != other:
            made.append(await rig.call("rename", task=task, old=key, new=other))
    return made


async def _came_to(
    calls: list[tuple[str, str, str]], bad: str, choice: Choice, most: int, rng: Random
) -> Any:
    """Plan, world and verdicts. `bad`: the record whose writes fail now."""

    def trouble(tool: str, arguments: JsonObject) -> Outcome | None:
        return failed("disk full") if tool != "get" and arguments.get("key") == bad else None

    store = Slow({"a": "1", "b": "1"}, rng)
    with tempfile.TemporaryDirectory() as directory:
        async with a_rig(Path(directory), store) as rig:
            made = await _harmed(rig, calls)
            store.slow, store.trouble, store.most = True, trouble, 0
            store.records["d"] = "a person's"
            one = rollback(rig, most)
            with anyio.fail_after(30):
                plan = await one.plan(WANTED)
                report = await one.execute(plan, choice)
                again = await one.execute(await one.plan(WANTED), choice)
            assert store.most <= most
            # Ids differ from run to run.
            places = {call: str(number) for number, call in enumerate(made)}
            stood = [(places[e.call.call_id], e.standing) for e in plan.entries]
            found = [
                [
                    (places[c], f.verdict, [n for c2, n in places.items() if c2 in f.why])
                    for c, f in each.found.items()
                ]
                for each in (report, again)
            ]
            return stood, found, store.records


@hypothesis_settings(max_examples=8, deadline=None)
@given(
    CALLS,
    st.sampled_from("abx"),
    st.sampled_from(["skip", "force"]),
    st.randoms(use_true_random=False),
)
def test_many_at_once_come_to_what_one_after_the_other_comes_to(
    calls: list[tuple[str, str, str]], bad: str, choice: Any, rng: Random
) -> None:
    serial = asyncio.run(_came_to(calls, bad, choice, 1, Random(1)))
    abreast = asyncio.run(_came_to(calls, bad, choice, 8, rng))
    assert abreast == serial


async def test_calls_on_different_resources_are_looked_at_and_undone_side_by_side(
    tmp_path: Path,
) -> None:
    store = Slow({})
    async with a_rig(tmp_path, store) as rig:
        for number in range(20):
            await rig.call("put", key=f"k{number}", value="v")
        store.slow, store.most = True, 0
        plan = await rig.rollback().plan(WANTED)
        looked, store.most = store.most, 0
        await rig.rollback().execute(plan, "refuse")
    assert store.records == {}
    assert looked == 8
    assert 2 < store.most <= 8


@pytest.mark.parametrize("proven", [{}, {"drop": frozenset({"put"})}])
async def test_what_nobody_tried_out_of_turn_is_undone_the_latest_first_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proven: dict[str, frozenset[str]]
) -> None:
    """Its pack leaves out that a call writes the order of the file, too: nobody is told that it is as before when it
    is not."""
    certified = rigs.packs

    def packs(at: Path) -> Any:
        loaded = certified(at)
        return replace(loaded, certified={name: {"1.0": proven} for name in loaded.certified})

    monkeypatch.setattr(rigs, "packs", packs)
    there = {"a": "1", "b": "1", "c": "1"}
    store = Listed(dict(there))
    async with a_rig(tmp_path, store) as rig:
        for key in ("a", "b"):
            await rig.call("drop", key=key)
        store.slow = "b"
        verdicts = await rig.undo(tasks=("t1",))
    assert set(verdicts.values()) == {"restored"}
    assert list(store.records) == list(there)


async def test_writes_to_one_resource_are_undone_one_after_the_other(tmp_path: Path) -> None:
    store = Slow({"a": "old"})
    async with a_rig(tmp_path, store) as rig:
        for number in range(6):
            await rig.call("put", key="a", value=str(number))
        store.slow, store.most = True, 0
        verdicts = await rig.undo(tasks=("t1",))
    assert (store.records, set(verdicts.values())) == ({"a": "old"}, {"restored"})
    assert store.most == 1


async def test_calls_that_held_more_than_they_wrote_are_undone_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that loses one of two writes at the same time: agents' calls never met there, and no more do undos."""
    wide = 'early_keys: ["store:/all"]\n    keys: ["store:/all/${args.key}"]'
    narrow = 'put:\n    keys: ["store:/${args.key}"]'
    assert narrow in rigs.PACK
    monkeypatch.setattr(rigs, "PACK", rigs.PACK.replace(narrow, f"put:\n    {wide}"))
    store = Slow({})
    async with a_rig(tmp_path, store) as rig:
        for number in range(6):
            await rig.call("put", key=f"k{number}", value="v")
        plan = await rig.rollback().plan(WANTED)
        store.slow, store.most = True, 0
        report = await rig.rollback().execute(plan, "refuse")
    assert {entry.call.keys for entry in plan.entries} == {(f"store:/all/k{n}",) for n in range(6)}
    assert {found.verdict for found in report.found.values()} == {"restored"}
    assert store.most == 1


async def test_what_needs_another_to_be_undone_first_though_no_resource_says_so_is_undone_in_its_turn(
    tmp_path: Path,
) -> None:
    """A record that others refer to: its server does not let it go before they have gone."""
    store, tried = Referred({}), asyncio.Event()

    def refer(tool: str, arguments: JsonObject) -> Outcome | None:
        key = arguments.get("key", "")
        if tool != "drop" or not any(each.startswith(f"{key}.") for each in store.records):
            return None
        tried.set()
        return failed("others refer to it")

    async with a_rig(tmp_path, store) as rig:
        for key in ("p", "p.a"):
            await rig.call("put", key=key, value="v")
        plan = await rig.rollback().plan(WANTED)
        store.trouble, store.before = refer, tried
        with anyio.fail_after(30):
            report = await rig.rollback().execute(plan, "refuse")
    assert {found.verdict for found in report.found.values()} == {"restored"}
    assert store.records == {}
    assert [arguments["key"] for tool, arguments in store.got if tool == "drop"] == [
        "p",
        "p.a",
        "p",
    ]


async def test_what_does_not_come_back_in_its_turn_is_not_tried_again(tmp_path: Path) -> None:
    store = Slow({"a": "1"})
    async with a_rig(tmp_path, store) as rig:
        call = await rig.call("put", key="a", value="2")
        plan = await rig.rollback().plan(WANTED)
        store.trouble = lambda tool, arguments: failed("no") if tool == "put" else None
        report = await rig.rollback().execute(plan, "refuse")
    assert report.found[call].verdict == "failed"
    assert store.writes() == ["put", "put"]


async def test_no_server_is_stopped_while_other_steps_are_under_way_there(tmp_path: Path) -> None:
    """They would end with it, and nobody could tell what came of them."""
    store = Slow({})
    async with a_rig(tmp_path, store) as rig:
        for number in range(16):
            await rig.call("put", key=f"k{number}", value="v")
        plan = await rig.rollback().plan(WANTED)

        def silent(tool: str, arguments: JsonObject) -> Outcome | None:
            return SILENT if tool == "drop" and arguments["key"] in ("k3", "k12", "k13") else None

        store.slow, store.late = True, silent
        with anyio.fail_after(30):
            report = await rig.rollback().execute(plan, "refuse")
    assert {found.verdict for found in report.found.values()} == {"restored"}
    assert (store.records, store.fences, store.fenced_over) == ({}, 3, 0)
    assert store.writes().count("drop") == 16


async def test_a_server_that_ends_under_many_calls_leaves_none_of_them_unverified(
    tmp_path: Path,
) -> None:
    """Their looks fail with it; each is made once more when nothing else is under way."""
    store = Slow({})
    async with a_rig(tmp_path, store) as rig:
        for number in range(16):
            await rig.call("put", key=f"k{number}", value="v")
        plan = await rig.rollback().plan(WANTED)
        calls = 0

        def ends(tool: str, arguments: JsonObject) -> None:
            nonlocal calls
            calls += 1
            store.life += calls == 13

        store.slow, store.late = True, ends
        with anyio.fail_after(30):
            report = await rig.rollback().execute(plan, "refuse")
    assert {found.verdict for found in report.found.values()} == {"restored"}
    assert store.records == {}


async def test_a_world_that_cannot_be_read_any_more_half_way_is_not_said_to_be_restored(
    tmp_path: Path,
) -> None:
    store = Slow({})
    async with a_rig(tmp_path, store) as rig:
        calls = [await rig.call("put", key=f"k{number}", value="v") for number in range(16)]
        plan = await rig.rollback().plan(WANTED)
        reads = 0

        def away(tool: str, arguments: JsonObject) -> Outcome | None:
            nonlocal reads
            reads += tool == "get"
            return failed("go away") if tool == "get" and reads > 11 else None

        store.slow, store.late = True, away
        with anyio.fail_after(30):
            report = await rig.rollback().execute(plan, "refuse")
    gone = {
        call
        for call, key in zip(calls, (f"k{n}" for n in range(16)), strict=True)
        if key not in store.records
    }
    verdicts = {call: found.verdict for call, found in report.found.items()}
    assert {
        call for call, verdict in verdicts.items() if verdict in ("restored", "unverified")
    } == gone
    # What came back before its turn is looked at once more, and cannot be; what came in its turn is believed.
    assert set(verdicts.values()) - {"restored"} == {"unverified", "failed"}


async def test_what_another_undo_has_taken_back_since_the_plan_is_left_to_it(
    tmp_path: Path,
) -> None:
    """With both calls taken back the world is as the second left it: there is no g."""
    there = {"e": "1"}
    store = Store(dict(there))
    async with a_rig(tmp_path, store) as rig, a_rig(tmp_path, store) as other:
        await rig.call("rename", old="e", new="g")
        dropped = await rig.call("drop", key="g")
        rollback = rig.rollback()
        plan = await rollback.plan(WANTED)
        assert set((await other.undo(tasks=("t1",))).values()) == {"restored"}
        report = await rollback.execute(plan, "skip")
        assert store.records == there
        assert report.found[dropped].verdict == "conflict"
        assert "plan again" in report.found[dropped].why
        assert set((await rig.undo(tasks=("t1",))).values()) == {"already"}
    assert store.records == there


class Folding(Store):
    """To it `A` and `a` are one record; to its pack they are two."""

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        given = message.params["arguments"]
        folded = {**given, "key": given["key"].lower()}
        params = {**message.params, "arguments": folded}
        return await super().call(permit, replace(message, params=params), channel)


async def test_what_was_as_before_until_a_later_call_was_undone_is_a_conflict(
    tmp_path: Path,
) -> None:
    async with a_rig(tmp_path, Folding({"a": "0"})) as rig:
        first = await rig.call("put", key="A", value="1")
        second = await rig.call("put", key="a", value="0")
        report = await rollback(rig).execute(await rollback(rig).plan(WANTED), "refuse")
        half = dict(rig.store.records)
        again = await rollback(rig).execute(await rollback(rig).plan(WANTED), "refuse")
    assert half == {"a": "1"}
    assert {call: each.verdict for call, each in report.found.items()} == {
        first: "conflict",
        second: "restored",
    }
    # The other's undo is on record now: what is left is looked at, and undone, alone.
    assert rig.store.records == {"a": "0"}
    assert again.found[first].verdict == "restored"


async def test_what_comes_back_out_of_turn_and_is_changed_by_another_undo_is_not_called_restored(
    tmp_path: Path,
) -> None:
    async with a_rig(tmp_path, Folding({"a": "0"})) as rig:
        first = await rig.call("put", key="A", value="1")
        await rig.call("put", key="a", value="0")
        await rig.call("put", key="a", value="1")
        report = await rollback(rig).execute(await rollback(rig).plan(WANTED), "refuse")
        half = dict(rig.store.records)
        again = await rollback(rig).execute(await rollback(rig).plan(WANTED), "refuse")
    assert half == {"a": "1"}
    # Which of the two is undone first, nobody says: it is found to be back no more, or changed before it was its turn.
    assert (report.found[first].verdict, report.summary) in (
        ("unverified", "complete_with_residue"),
        ("conflict", "partial"),
    )
    assert rig.store.records == {"a": "0"}
    assert again.found[first].verdict == "restored"


class Waiting(Store):
    """Drops k2 when it is let."""

    let: asyncio.Event

    async def call(self, permit: Permit, message: Outbound, channel: object) -> Outcome:
        if message.params["name"] == "drop" and message.params["arguments"]["key"] == "k2":
            await self.let.wait()
        return await super().call(permit, message, channel)


async def test_what_an_agent_writes_after_an_undo_does_not_make_it_less_restored(
    tmp_path: Path,
) -> None:
    store = Waiting({})
    store.let = asyncio.Event()
    async with a_rig(tmp_path, store) as rig, a_rig(tmp_path, store) as other:
        calls = [await rig.call("put", key=f"k{number}", value="v") for number in range(3)]
        plan = await rig.rollback().plan(WANTED)
        with anyio.fail_after(30):
            undo = asyncio.create_task(rollback(rig).execute(plan, "refuse"))
            while "k1" in store.records:
                await asyncio.sleep(0.001)
            await other.call("put", key="k1", value="an agent's", task="t2")
            store.let.set()
            report = await undo
    assert store.records == {"k1": "an agent's"}
    assert [report.found[call].verdict for call in calls] == ["restored"] * 3
