"""The catalogue of a running gateway follows its servers, each by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.catalogue import live
from gateway.catalogue.earlier import EarlierLists
from gateway.catalogue.fetch import Lists
from gateway.catalogue.live import LiveCatalogue
from gateway.catalogue.pace import Pace
from gateway.catalogue.pins import Pins, load, save
from gateway.core.model import JsonObject, Target
from gateway.core.resolve import Table
from gateway.errors import Misconfigured, Refused
from gateway.reasons import Reason
from tests.catalogue.offering import OfferingServer, approved, pins, settings, tool
from tests.clock import TURNS, ahead

READ, WRITE = tool("read"), tool("write")
QUICK = Pace(deadline=5, grace=5, retry=(0.001, 0.01), settle=0)
HASTY = Pace(deadline=5, grace=0.02, retry=(0.001, 0.01), settle=0)


@asynccontextmanager
async def living(
    *servers: OfferingServer,
    known: Pins,
    pace: Pace = QUICK,
    earlier: EarlierLists | None = None,
) -> AsyncIterator[LiveCatalogue]:
    """A started catalogue over these servers, ended afterwards."""
    names = [one.name for one in servers]
    by_name = {one.name: one for one in servers}
    catalogue = LiveCatalogue(by_name, settings(*names), known, pace, earlier)
    try:
        async with asyncio.timeout(20):
            await catalogue.start()
            yield catalogue
    finally:
        await catalogue.aclose()


async def ended(place: Path, server: OfferingServer) -> tuple[EarlierLists, Pins]:
    """What a catalogue that saw this server, and ended, leaves to the next one, and what was approved for it."""
    earlier, known = EarlierLists(place), pins(approved("files", READ))
    async with living(server, known=known, earlier=earlier):
        pass
    return earlier, known


async def becomes(catalogue: LiveCatalogue, *names: str) -> Table:
    """The first table whose aggregate has exactly these tools."""
    changed = asyncio.Event()
    catalogue.on_change(changed.set)
    while set(catalogue.current.aggregate.tools) != set(names):
        changed.clear()
        await changed.wait()
    return catalogue.current


async def test_after_the_start_every_answering_server_is_there() -> None:
    one, two = OfferingServer("one", tool=[READ]), OfferingServer("two", tool=[READ, WRITE])
    known = pins(approved("one", READ), approved("two", READ))
    async with living(one, two, known=known) as catalogue:
        tools, status = list(catalogue.current.aggregate.tools), catalogue.status()
    assert tools == ["one__read", "two__read"]
    assert status["two"] == {"state": "ready", "tools": 1, "quarantined": 1, "error": None}


async def test_a_slow_server_delays_the_start_by_the_grace_and_joins_later() -> None:
    slow, quick = OfferingServer("slow", tool=[READ]), OfferingServer("quick", tool=[READ])
    slow.stuck.clear()
    known = pins(approved("slow", READ), approved("quick", READ))
    by_name = {"slow": slow, "quick": quick}
    pace = Pace(deadline=20, grace=5, retry=(0.001, 0.01), settle=0)
    catalogue = LiveCatalogue(by_name, settings(*by_name), known, pace)
    async with asyncio.timeout(20):
        starting = asyncio.create_task(catalogue.start())
        await becomes(catalogue, "quick__read")
        at_once = starting.done()
        ahead(pace.grace)
        await starting
        shown, status = set(catalogue.current.aggregate.tools), catalogue.status()
        unseen = set(catalogue.unseen)
        slow.stuck.set()
        await catalogue.seen("slow")
        await catalogue.aclose()
    assert not at_once
    assert (shown, unseen) == ({"quick__read", "slow__read"}, {"slow"}), "a call of it waits"
    assert status["slow"]["state"] == "starting"


async def test_a_server_too_slow_for_the_start_that_then_lists_nothing_is_not_called() -> None:
    slow = OfferingServer(tool=[READ])
    slow.stuck.clear()
    async with living(slow, known=pins(approved("files", READ)), pace=HASTY) as catalogue:
        slow.broken = "it lists nothing"
        slow.stuck.set()
        with pytest.raises(Refused) as no:
            await catalogue.seen("files")
    assert no.value.reason is Reason.SERVER_UNAVAILABLE


async def test_a_server_too_slow_for_the_start_shows_what_was_approved_and_no_more() -> None:
    slow = OfferingServer(tool=[READ | {"description": "poison"}, WRITE])
    slow.stuck.clear()
    async with living(slow, known=pins(approved("files", READ)), pace=HASTY) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
        slow.stuck.set()
        await catalogue.seen("files")
        seen = list(catalogue.current.aggregate.tools)
    assert (shown, seen) == (["files__read"], [])


async def test_a_broken_server_is_named_and_asked_again_until_it_answers() -> None:
    broken = OfferingServer("broken", tool=[READ])
    broken.broken = "connection refused"
    async with living(broken, known=pins(approved("broken", READ))) as catalogue:
        status = catalogue.status()
        broken.broken = None
        await becomes(catalogue, "broken__read")
        after = catalogue.status()
    assert status["broken"]["state"] == "failing"
    assert status["broken"]["error"] == "broken: connection refused"
    assert after["broken"]["error"] is None


async def test_a_change_after_approval_hides_the_tool_and_changing_back_shows_it() -> None:
    server = OfferingServer(tool=[READ, WRITE])
    async with living(server, known=pins(approved("files", READ, WRITE))) as catalogue:
        server.offer("tool", [READ | {"description": "poison"}, WRITE])
        server.announce()
        hidden = await becomes(catalogue, "files__write")
        server.offer("tool", [READ, WRITE])
        server.announce()
        await becomes(catalogue, "files__read", "files__write")
    assert "changed since" in hidden.quarantined[Target("files", "tool", "read")]


@pytest.mark.parametrize("ttl", [10**400, 2**70, True, -(10**400)])
async def test_a_server_whose_lists_hold_for_ever_by_its_word_is_looked_at_all_the_same(
    ttl: int,
) -> None:
    server = OfferingServer()
    server.offer("tool", [READ], ttlMs=ttl)
    async with living(server, known=pins(approved("files", READ, WRITE))) as catalogue:
        assert [*catalogue.current.aggregate.tools] == ["files__read"]
        server.offer("tool", [READ | {"description": "poison"}, WRITE])
        server.announce()
        await becomes(catalogue, "files__write")


async def test_a_restart_is_looked_at_again() -> None:
    server = OfferingServer(tool=[READ])
    async with living(server, known=pins(approved("files", READ, WRITE))) as catalogue:
        server.offer("tool", [WRITE])
        server.announce("restarted")
        await becomes(catalogue, "files__write")


async def test_what_a_new_process_offers_is_looked_at_before_it_is_called() -> None:
    """It came back with another description, and was called until the next look."""
    server = OfferingServer(tool=[READ])
    async with living(server, known=pins(approved("files", READ))) as catalogue:
        before = set(catalogue.unseen)
        server.stuck.clear()
        server.offer("tool", [READ | {"description": "other"}])
        server.announce("new process")
        async with asyncio.timeout(5):
            while not catalogue.unseen:
                await asyncio.sleep(0)
        seen = asyncio.create_task(catalogue.seen("files"))
        await asyncio.wait([seen], timeout=0.05)
        waited = not seen.done()
        server.stuck.set()
        await seen
        there = set(catalogue.current.aggregate.tools)
        after = set(catalogue.unseen)
    assert (before, waited, there, after) == (set(), True, set(), set())


async def test_what_was_read_of_a_process_that_is_gone_opens_nothing() -> None:
    class Slow(OfferingServer):
        async def fetch(self, method: str, params: JsonObject) -> JsonObject:
            page = self.pages.get(method, {}).get(None)
            return await super().fetch(method, params) if page is None else await self._late(page)

        async def _late(self, page: JsonObject) -> JsonObject:
            self.asked.append(("late", None))
            await self.stuck.wait()
            return page

    server = Slow(tool=[READ])
    async with living(server, known=pins(approved("files", READ))) as catalogue:
        server.stuck.clear()
        server.asked.clear()
        server.announce("notifications/tools/list_changed")
        async with asyncio.timeout(5):
            while ("late", None) not in server.asked:
                await asyncio.sleep(0)
        server.announce("new process")
        async with asyncio.timeout(5):
            while not catalogue.unseen:
                await asyncio.sleep(0)
        server.offer("tool", [READ | {"description": "other"}])
        server.stuck.set()
        await catalogue.seen("files")
        there = set(catalogue.current.aggregate.tools)
    assert there == set()


async def test_a_silent_change_is_seen_when_it_is_time_to_look_again() -> None:
    server = OfferingServer(tool=[READ])
    pace = Pace(deadline=5, grace=5, ttl=0.01, retry=(0.001, 0.01), settle=0)
    async with living(server, known=pins(approved("files", READ)), pace=pace) as catalogue:
        server.offer("tool", [READ | {"title": "x"}])
        await becomes(catalogue)


async def test_a_server_that_fails_later_keeps_what_it_listed() -> None:
    server = OfferingServer(tool=[READ])
    async with living(server, known=pins(approved("files", READ))) as catalogue:
        asked = len(server.asked)
        server.broken = "gone away"
        server.announce()
        while catalogue.status()["files"]["error"] is None:
            await asyncio.sleep(0)
        tools = list(catalogue.current.aggregate.tools)
    assert len(server.asked) > asked
    assert tools == ["files__read"]


async def test_new_pins_take_effect_and_bad_ones_do_not(tmp_path: Path) -> None:
    save(pins(approved("files", READ), directory=tmp_path / "pins"), "files")
    server = OfferingServer(tool=[READ, WRITE])
    async with living(server, known=load(tmp_path, ["files"])) as catalogue:
        before = list(catalogue.current.aggregate.tools)
        save(pins(approved("files", READ, WRITE), directory=tmp_path / "pins"), "files")
        catalogue.reload_pins()
        after = list(catalogue.current.aggregate.tools)
        (tmp_path / "pins" / "files.json").write_text("{}")
        with pytest.raises(Misconfigured):
            catalogue.reload_pins()
        kept = list(catalogue.current.aggregate.tools)
    assert (before, after, kept) == (
        ["files__read"],
        ["files__read", "files__write"],
        ["files__read", "files__write"],
    )


@pytest.mark.parametrize(
    ("name", "text"), [("notes", "{"), ("added", '{"server": "added"}')], ids=["broken", "unknown"]
)
async def test_what_is_withdrawn_for_one_server_is_withdrawn_whatever_another_file_says(
    tmp_path: Path, name: str, text: str
) -> None:
    """A server was added to bulkhead.yaml and approved: the gateway knows it after its next start."""
    directory = tmp_path / "pins"
    files, notes = OfferingServer(tool=[READ]), OfferingServer("notes", tool=[READ])
    for server in (files, notes):
        save(pins(approved(server.name, READ), directory=directory), server.name)
    async with living(files, notes, known=load(tmp_path, ["files", "notes"])) as catalogue:
        (directory / f"{name}.json").write_text(text)
        (directory / "files.json").unlink()
        with pytest.raises(Misconfigured, match=name):
            catalogue.reload_pins()
        shown = list(catalogue.current.aggregate.tools)
    assert shown == ["notes__read"]


async def test_looking_again_at_what_did_not_change_tells_nobody() -> None:
    server = OfferingServer(tool=[READ])
    told: list[Table] = []
    async with living(server, known=pins(approved("files", READ))) as catalogue:
        catalogue.on_change(lambda: told.append(catalogue.current))
        table, asked = catalogue.current, len(server.asked)
        server.announce()
        while len(server.asked) < 2 * asked:
            await asyncio.sleep(0)
        same = catalogue.current
    assert told == []
    assert same is table


async def test_servers_that_answer_while_a_table_is_made_share_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, *others = (
        OfferingServer(name, tool=[READ]) for name in ("first", "one", "two", "three")
    )
    known = pins(*(approved(each.name, READ) for each in (first, *others)))
    for each in others:
        each.stuck.clear()
    took = 3_600
    clock = count(0, took).__next__  # as if each table took so long
    to_come, all_came, real = [*others], asyncio.Event(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        """While one waits as long as a table takes the next answers, and so on until all have."""
        if seconds != took:
            await real(seconds)
            return
        if to_come:
            to_come.pop().stuck.set()
        else:
            all_came.set()
        await all_came.wait()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    by_name = {each.name: each for each in (first, *others)}
    pace = Pace(deadline=5, grace=20, retry=(0.001, 0.01), settle=0)
    catalogue = LiveCatalogue(by_name, settings(*by_name), known, pace, clock=clock)
    told: list[Table] = []
    async with asyncio.timeout(20):
        starting = asyncio.create_task(catalogue.start())
        await becomes(catalogue, "first__read")
        catalogue.on_change(lambda: told.append(catalogue.current))
        to_come.pop().stuck.set()
        await becomes(catalogue, *(f"{name}__read" for name in by_name))
        await starting
        await catalogue.aclose()
    assert len(told) == 1


async def test_an_operator_is_told_of_each_withheld_tool_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = OfferingServer(tool=[READ | {"name": "re\x1b[2Jad"}, WRITE])
    async with living(server, known=pins()) as catalogue:
        server.announce()
        while len(server.asked) < 8:
            await asyncio.sleep(0)
        assert catalogue.current.quarantined
    lines = [record.getMessage() for record in caplog.records if "withheld" in record.getMessage()]
    assert len(lines) == 2
    assert not any("\x1b" in line for line in lines)


async def test_ending_the_catalogue_ends_every_task_of_it() -> None:
    server = OfferingServer(tool=[READ])
    server.stuck.clear()
    before = asyncio.all_tasks()
    pace = Pace(deadline=5, grace=0.01)
    async with living(server, known=pins(), pace=pace):
        pass
    assert asyncio.all_tasks() == before


async def test_a_server_that_is_down_keeps_its_approved_words() -> None:
    server = OfferingServer("files", tool=[READ])
    server.said = {"server_info": {"name": "files"}, "instructions": "Be kind."}
    words = approved("files", {"instructions": "Be kind."}, kind="about")
    async with living(server, known=pins(approved("files", READ), words)) as catalogue:
        before = catalogue.current.about["files"]
        server.broken = "gone"
        while catalogue.status()["files"]["state"] != "failing":
            server.announce()
            await asyncio.sleep(0)
        after = catalogue.current.about["files"]
    assert before.instructions == after.instructions == "Be kind."


async def test_news_that_end_by_themselves_are_followed_again_at_once() -> None:
    server = OfferingServer("files", tool=[READ])
    server.quits = True
    async with living(server, known=pins(approved("files", READ))) as catalogue:
        while server.followed < 3:
            await asyncio.sleep(0)
        server.quits = False
        server.offer("tool", [READ | {"description": "changed meanwhile"}])
        await becomes(catalogue)
    assert server.followed >= 3


@pytest.mark.parametrize("poison", ["\ud800", "\udfff\x00"])
async def test_a_name_no_text_can_hold_harms_no_other_server(poison: str) -> None:
    bad, good = OfferingServer("bad", tool=[READ]), OfferingServer("good", tool=[READ])
    known = pins(approved("bad", READ), approved("good", READ, WRITE))
    async with living(bad, good, known=known) as catalogue:
        bad.pages["tools/list"] = {
            None: {"tools": [READ | {"name": poison}], "nextCursor": poison},
            poison: {"tools": [READ]},
        }
        bad.announce()
        while Target("bad", "tool", poison) not in catalogue.current.quarantined:
            await asyncio.sleep(0)
        good.offer("tool", [READ, WRITE])
        good.announce()
        await becomes(catalogue, "bad__read", "good__read", "good__write")


async def test_what_was_listed_the_last_time_is_there_at_once(tmp_path: Path) -> None:
    earlier, known = EarlierLists(tmp_path), pins(approved("files", READ, WRITE))
    async with living(OfferingServer(tool=[READ, WRITE]), known=known, earlier=earlier):
        pass
    stuck = OfferingServer(tool=[READ | {"title": "x"}, WRITE])
    stuck.stuck.clear()
    async with living(stuck, known=known, earlier=earlier) as catalogue:
        first, status = list(catalogue.current.aggregate.tools), catalogue.status()
        unseen = set(catalogue.unseen)
        catalogue.look()
        stuck.stuck.set()
        async with asyncio.timeout(20):
            await catalogue.seen("files")
        hidden = catalogue.current.quarantined
    assert (first, status["files"]["state"]) == (["files__read", "files__write"], "starting")
    assert (unseen, set(catalogue.unseen)) == ({"files"}, set())
    assert Target("files", "tool", "read") in hidden


async def test_a_server_known_from_the_last_time_is_left_alone_until_the_start_is_over(
    tmp_path: Path,
) -> None:
    earlier, known = EarlierLists(tmp_path), pins(approved("files", READ), approved("new", READ))
    async with living(OfferingServer(tool=[READ]), known=known, earlier=earlier):
        pass
    files, new = OfferingServer(tool=[READ]), OfferingServer("new", tool=[READ])
    async with living(files, new, known=known, earlier=earlier) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
        at_start = (len(files.asked), files.followed, bool(new.asked))
        catalogue.look()
        while catalogue.unseen:
            await asyncio.sleep(0)
    assert shown == ["files__read", "new__read"]
    assert at_start == (0, 0, True)
    assert (bool(files.asked), files.followed) == (True, 1)


@pytest.mark.parametrize("since", [(READ, WRITE), (READ,)])
async def test_nothing_is_said_of_a_server_before_it_was_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, since: tuple[dict[str, Any], ...]
) -> None:
    earlier, _ = await ended(tmp_path, OfferingServer(tool=[READ]))
    both = pins(approved("files", READ, WRITE))
    async with living(OfferingServer(tool=list(since)), known=both, earlier=earlier) as catalogue:
        await catalogue.seen("files")
    said = [text for text in caplog.messages if "no longer listed" in text]
    assert len(said) == 2 - len(since)


@pytest.mark.parametrize("since", [WRITE, READ | {"title": "x"}])
async def test_what_was_approved_since_the_last_time_is_there_when_the_start_is_over(
    tmp_path: Path, since: dict[str, Any]
) -> None:
    earlier, _ = await ended(tmp_path, OfferingServer(tool=[READ]))
    approved_since = pins(approved("files", since))
    async with living(
        OfferingServer(tool=[since]), known=approved_since, earlier=earlier
    ) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
    assert shown == [f"files__{since['name']}"]


async def test_a_slow_server_keeps_its_lists_when_something_of_it_was_approved_since(
    tmp_path: Path,
) -> None:
    earlier, _ = await ended(tmp_path, OfferingServer(tool=[READ]))
    kept = earlier.load("files")
    slow, more = OfferingServer(tool=[READ, WRITE]), pins(approved("files", READ, WRITE))
    slow.stuck.clear()
    async with living(slow, known=more, earlier=earlier, pace=HASTY) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
    assert (shown, earlier.load("files")) == (["files__read"], kept)


async def test_a_call_does_not_wait_for_the_end_of_the_start(tmp_path: Path) -> None:
    earlier, known = await ended(tmp_path, OfferingServer(tool=[READ]))
    server = OfferingServer(tool=[READ])
    async with living(server, known=known, earlier=earlier) as catalogue:
        await catalogue.seen("files")
        catalogue.look()
        unseen = set(catalogue.unseen)
    assert (unseen, server.followed) == (set(), 1)


async def test_a_server_of_which_one_list_cannot_be_read_is_known_the_next_time(
    tmp_path: Path,
) -> None:
    earlier, known = EarlierLists(tmp_path), pins(approved("files", READ))
    half = OfferingServer(tool=[READ])
    half.offer("prompt", [])
    half.pages["prompts/list"] = {None: {"prompts": "none"}}
    async with living(half, known=known, earlier=earlier) as catalogue:
        state = catalogue.status()["files"]["state"]
    half.stuck.clear()
    async with living(half, known=known, earlier=earlier) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
    assert (state, shown) == ("failing", ["files__read"])


@pytest.mark.parametrize("why", ["refused", "silent"])
async def test_a_server_that_was_not_there_the_last_time_is_asked_and_not_waited_for(
    tmp_path: Path, why: str
) -> None:
    earlier, known = EarlierLists(tmp_path), pins(approved("files", READ))
    dead = OfferingServer(tool=[READ])
    if why == "refused":
        dead.broken = "connection refused"
    else:
        dead.stuck.clear()
    async with living(dead, known=known, earlier=earlier, pace=HASTY):
        pass
    dead.broken = None
    dead.stuck.clear()
    patient = Pace(deadline=60, grace=60, retry=(0.001, 0.01), settle=0)
    async with living(dead, known=known, earlier=earlier, pace=patient) as catalogue:
        shown, unseen = list(catalogue.current.aggregate.tools), set(catalogue.unseen)
        dead.stuck.set()
        while catalogue.unseen:  # it is kept for the next time before it counts as seen
            await asyncio.sleep(0)
    assert (shown, unseen) == (["files__read"], {"files"}), "as approved, and a call of it waits"
    async with living(OfferingServer(), known=known, earlier=earlier) as catalogue:
        assert list(catalogue.current.aggregate.tools) == ["files__read"]


async def test_what_was_listed_the_last_time_is_held_against_the_pins(tmp_path: Path) -> None:
    earlier = EarlierLists(tmp_path)
    poisoned = OfferingServer(tool=[READ | {"description": "poison"}])
    async with living(poisoned, known=pins(), earlier=earlier):
        pass
    poisoned.stuck.clear()
    known = pins(approved("files", READ))
    async with living(poisoned, known=known, pace=HASTY, earlier=earlier) as catalogue:
        shown = dict(catalogue.current.aggregate.tools)
    assert shown == {}


async def test_a_call_waits_for_a_server_that_takes_longer_than_a_start_waits(
    tmp_path: Path,
) -> None:
    server = OfferingServer(tool=[READ])
    earlier, known = await ended(tmp_path, server)
    server.stuck.clear()
    pace = Pace(deadline=5, grace=0, retry=(0.001, 0.01), settle=0)
    async with living(server, known=known, pace=pace, earlier=earlier) as catalogue:
        seen = asyncio.create_task(catalogue.seen("files"))
        await asyncio.wait([seen], timeout=0.05)
        server.stuck.set()
        await seen
        unseen = set(catalogue.unseen)
    assert unseen == set()


async def test_a_server_that_nobody_can_look_at_in_time_is_unavailable(tmp_path: Path) -> None:
    server = OfferingServer(tool=[READ])
    earlier, known = await ended(tmp_path, server)
    server.stuck.clear()
    pace = Pace(deadline=0.02, grace=5, retry=(0.001, 0.01), settle=0)
    async with living(server, known=known, pace=pace, earlier=earlier) as catalogue:
        with pytest.raises(Refused) as no:
            await catalogue.seen("files")
    assert no.value.reason is Reason.SERVER_UNAVAILABLE


async def test_a_server_whose_lists_cannot_be_read_any_more_is_shown_and_not_called(
    tmp_path: Path,
) -> None:
    server = OfferingServer(tool=[READ])
    earlier, known = await ended(tmp_path, server)
    server.broken = "it lists nothing any more"
    async with living(server, known=known, earlier=earlier) as catalogue:
        shown = list(catalogue.current.aggregate.tools)
        with pytest.raises(Refused) as no:
            await catalogue.seen("files")
        server.broken = None
        while "files" in catalogue.unseen:
            await asyncio.sleep(0)
    assert (shown, no.value.reason) == (["files__read"], Reason.SERVER_UNAVAILABLE)


async def test_a_server_whose_lists_make_no_table_is_not_called_on_the_strength_of_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Table:
        raise ValueError("no table comes of this")

    server = OfferingServer(tool=[READ])
    earlier, known = await ended(tmp_path, server)
    server.offer("tool", [READ | {"description": "poison"}])
    async with living(server, known=known, earlier=earlier) as catalogue:
        with monkeypatch.context() as broken:
            broken.setattr(live, "merge", failing)
            with pytest.raises(Refused) as no:
                await catalogue.seen("files")
        server.announce()
        await becomes(catalogue)
    assert no.value.reason is Reason.SERVER_UNAVAILABLE


async def test_whatever_goes_wrong_with_its_lists_a_server_is_looked_at_again(
    tmp_path: Path,
) -> None:
    class Failing(EarlierLists):
        def save(self, server: str, lists: Lists) -> None:
            raise RecursionError

    server, known = OfferingServer(tool=[READ]), pins(approved("files", READ, WRITE))
    async with living(server, known=known, earlier=Failing(tmp_path)) as catalogue:
        server.offer("tool", [READ | {"description": "poison"}, WRITE])
        server.announce()
        await becomes(catalogue, "files__write")


async def test_a_server_whose_every_look_is_news_is_not_looked_at_without_end() -> None:
    class Balanced(OfferingServer):
        """Several behind one address: each list is asked for in a session that had to be opened anew."""

        async def fetch(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
            self.announce("restarted")
            return await super().fetch(method, params)

    server = Balanced(tool=[READ])
    pace = Pace(deadline=5, grace=5, retry=(0.5, 60), settle=0.2)
    async with living(server, known=pins(approved("files", READ)), pace=pace):
        for _ in range(75):
            ahead(0.2)
            for _ in range(TURNS):
                await asyncio.sleep(0)
    looks = [asked for asked in server.asked if asked[0] == "tools/list"]
    assert 3 < len(looks) < 12  # in 15 seconds
