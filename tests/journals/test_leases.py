"""Leases: one writer per resource, over tasks and processes, and an order that only grows."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any, NoReturn

import pytest

from gateway.core.record import Line
from gateway.core.reverse import Lease, Taken
from gateway.errors import JournalError, Refused
from gateway.journals.commit import Work
from gateway.journals.entry import Entry
from gateway.journals.leases import SqliteLeases
from gateway.journals.sqlite import SqliteJournal
from gateway.journals.sqlitefile import SqliteFile
from gateway.reasons import Reason
from gateway.values import replace
from tests.clock import ahead
from tests.journals.calls import call_record, intent, outcome
from tests.journals.holding import holds


@asynccontextmanager
async def desk(tmp_path: Path, patience: float = 20.0) -> AsyncIterator[SqliteLeases]:
    """The leases of one gateway process."""
    async with asyncio.timeout(20):
        async with aclosing(await SqliteJournal.open(tmp_path / "journal.db")) as journal:
            yield journal.leases(patience)


async def take(
    leases: SqliteLeases, call: str, *keys: str, shared: tuple[str, ...] = (), quiesce: float = 5.0
) -> tuple[Lease, ...]:
    return await leases.take(call, keys, shared, term=60.0, quiesce=quiesce)


async def test_writers_of_one_resource_take_turns_in_the_order_they_came(tmp_path: Path) -> None:
    done: list[tuple[str, int]] = []

    async def write(leases: SqliteLeases, call: str) -> None:
        [lease] = await take(leases, call, "file:/a")
        done.append((call, lease.epoch))
        await asyncio.sleep(0)
        leases.release(call)

    async with desk(tmp_path) as leases:
        await asyncio.gather(*(write(leases, f"call{n}") for n in range(20)))
    assert [call for call, _ in done] == [f"call{n}" for n in range(20)]
    epochs = [epoch for _, epoch in done]
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("file:/a", "file:/a", False),
        ("file:/a", "file:/a/b", False),
        ("file:/a/b", "file:/a", False),
        ("file:/a", "file:/ab", True),
        ("file:/a", "memory:/a", True),
        ("file:/", "file:/a", False),
    ],
)
async def test_resources_exclude_each_other_by_whole_segments(
    tmp_path: Path, one: str, other: str, together: bool
) -> None:
    async with desk(tmp_path) as leases:
        await take(leases, "first", one)
        second = asyncio.create_task(take(leases, "second", other))
        await asyncio.sleep(0)
        await take(leases, "third", "elsewhere:/x")  # the desk has served everybody before it
        await asyncio.sleep(0)
        at_once = second.done()
        leases.release("first")
        granted = await second
    assert (at_once, len(granted)) == (together, 1)


async def test_who_comes_next_has_it_in_the_commit_of_the_line_it_was_let_go_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[tuple[list[str], int]] = []
    write = SqliteFile.write

    def seen(self: SqliteFile, lines: Sequence[Entry], works: Sequence[Work] = ()) -> Any:
        commits.append(([line.line.call_id for line in lines], len(works)))
        return write(self, lines, works)

    monkeypatch.setattr(SqliteFile, "write", seen)
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        leases = journal.leases()
        # Several at once: after one that came alone nothing is gathered.
        names = {"first": "file:/a", "beside": "file:/b", "too": "file:/c"}
        await asyncio.gather(*(take(leases, name, key) for name, key in names.items()))
        waiting = asyncio.create_task(take(leases, "second", "file:/a"))
        await asyncio.sleep(0)
        line = journal.append(intent("first"))
        leases.release("first")
        await line.sealed()
        [lease] = await waiting
        await journal.aclose()
    # Those of all but the second; then a line, its end and the second one's.
    assert commits == [([], 3), (["first"], 2)]
    assert lease.epoch == 4


async def test_a_line_rests_on_leases_that_are_let_go_behind_it_whatever_is_written_before(
    tmp_path: Path,
) -> None:
    """A transaction that is under way when they are let go leaves them alone."""
    under_way, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def holds_up(connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(under_way.set)
        assert go_on.wait(10)

    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        leases = journal.leases()
        await take(leases, "first", "file:/a")
        held_up = journal.join(holds_up)
        beside = asyncio.create_task(take(leases, "beside", "file:/b"))
        await under_way.wait()
        line = journal.append(replace(intent("first"), claims=(leases.claim("first"),)))
        leases.release("first")
        go_on.set()
        sealed = await line.sealed()
        await asyncio.gather(held_up, beside)
        await take(leases, "next", "file:/a")
        await journal.aclose()
    assert sealed.call_id == "first"


async def test_two_processes_never_both_hold_a_resource(tmp_path: Path) -> None:
    """Many writers of few resources, in two processes: who holds one is alone with it, and later in order."""
    holding: dict[str, str] = {}
    epochs: dict[str, list[int]] = {"file:/a": [], "file:/b": [], "file:/c": []}

    async def write(leases: SqliteLeases, call: str, key: str) -> None:
        [lease] = await take(leases, call, key, shared=("server:/s",))
        assert key not in holding
        holding[key] = call
        epochs[key].append(lease.epoch)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert holding.pop(key) == call
        assert await holds(leases, call)
        leases.release(call)

    async with desk(tmp_path) as ours, desk(tmp_path) as theirs:
        await asyncio.gather(
            *(
                write(leases, f"{name}-{key}-{n}", key)
                for name, leases in (("ours", ours), ("theirs", theirs))
                for key in epochs
                for n in range(6)
            )
        )
    assert [len(each) for each in epochs.values()] == [12, 12, 12]
    assert all(each == sorted(set(each)) for each in epochs.values())


async def test_a_process_whose_own_never_cease_to_come_lets_another_one_have_it(
    tmp_path: Path,
) -> None:
    """And is let in again when that one is done."""
    async with desk(tmp_path) as ours, desk(tmp_path) as theirs:
        await take(ours, "0", "file:/a")
        waiting = asyncio.create_task(take(theirs, "theirs", "file:/a"))
        n = 0
        while not waiting.done():
            following = asyncio.create_task(take(ours, f"{n + 1}", "file:/a"))
            await asyncio.sleep(0)
            ours.release(f"{n}")
            await asyncio.wait({following, waiting}, return_when=asyncio.FIRST_COMPLETED)
            n += 1
        held = await holds(theirs, "theirs")
        early = following.done()
        theirs.release("theirs")
        [last] = await following
    assert (held, early) == (True, False)
    assert last.epoch > waiting.result()[0].epoch


async def test_who_waited_long_for_another_process_and_gave_up_is_in_nobodys_way(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as ours, desk(tmp_path, patience=1.0) as theirs:
        await take(ours, "first", "file:/a")
        with pytest.raises(Refused):
            await take(theirs, "second", "file:/a", "file:/b")
        await holds(theirs, "second")  # what was queued before is done
        with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
            left = file.execute("SELECT call_id FROM lease").fetchall()
    assert left == [("first",)]


async def test_sharers_hold_together_and_exclude_who_wants_it_alone(tmp_path: Path) -> None:
    order: list[str] = []

    async def whole_server(leases: SqliteLeases) -> None:
        await take(leases, "whole", "server:/s")
        order.append("whole")

    async with desk(tmp_path) as leases:
        await take(leases, "one", "file:/a", shared=("server:/s",))
        await take(leases, "two", "file:/b", shared=("server:/s",))
        waiting = asyncio.create_task(whole_server(leases))
        await asyncio.sleep(0)
        await take(leases, "other", "file:/c")
        for call in ("one", "two"):
            order.append(call)
            leases.release(call)
        await waiting
    assert order == ["one", "two", "whole"]


async def test_a_resource_that_is_not_free_in_time_refuses_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, patience=1.0) as leases:
        await take(leases, "first", "file:/a")
        with pytest.raises(Refused, match="file:/a") as no:
            await take(leases, "second", "file:/a")
        leases.release("first")
        [lease] = await take(leases, "second", "file:/a")
    assert no.value.reason is Reason.OVERLOADED
    assert lease.epoch == 2


async def test_a_waiter_who_goes_away_lets_the_next_one_in(tmp_path: Path) -> None:
    async with desk(tmp_path) as leases:
        await take(leases, "first", "file:/a")
        second = asyncio.create_task(take(leases, "second", "file:/a"))
        third = asyncio.create_task(take(leases, "third", "file:/a"))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        leases.release("first")
        granted = await third
        held = await holds(leases, "second"), await holds(leases, "third")
    assert len(granted) == 1
    assert held == (False, True)


async def test_who_waits_behind_several_has_it_when_the_last_of_them_is_gone(
    tmp_path: Path,
) -> None:
    """Whichever goes first, and whether it held or waited itself."""
    order: list[str] = []

    async def write(leases: SqliteLeases, call: str, *keys: str) -> None:
        await take(leases, call, *keys)
        order.append(call)

    async with desk(tmp_path) as leases:
        await take(leases, "a", "file:/a")
        await take(leases, "b", "file:/b")
        both = asyncio.create_task(write(leases, "both", "file:/a", "file:/b"))
        behind = asyncio.create_task(write(leases, "behind", "file:/b"))
        aside = asyncio.create_task(write(leases, "aside", "file:/c"))
        await aside
        for call in ("b", "a"):
            order.append(f"{call} gone")
            leases.release(call)
            await take(leases, f"after {call}", f"elsewhere:/{call}")
        await both
        order.append("both gone")
        leases.release("both")
        await behind
    assert order == ["aside", "b gone", "a gone", "both", "both gone", "behind"]


async def test_another_process_waits_and_gets_a_later_epoch(tmp_path: Path) -> None:
    async with desk(tmp_path) as ours, desk(tmp_path) as theirs:
        [first] = await take(ours, "first", "file:/a")
        waiting = asyncio.create_task(take(theirs, "second", "file:/a/b"))
        await take(theirs, "third", "file:/c")
        before = waiting.done()
        ours.release("first")
        [second] = await waiting
    assert not before
    assert second.epoch > first.epoch


async def test_a_dead_process_keeps_its_leases_until_its_server_must_be_quiet(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, patience=1.0) as living:
        async with desk(tmp_path) as dead:
            await take(dead, "short", "file:/a", quiesce=0.0)
            await take(dead, "long", "file:/b", quiesce=1000.0)
        [granted] = await take(living, "next", "file:/a")
        with pytest.raises(Refused):
            await take(living, "last", "file:/b")
    assert granted.key == "file:/a"


async def test_a_lease_past_its_term_is_no_longer_held(tmp_path: Path) -> None:
    async with desk(tmp_path) as stuck, desk(tmp_path) as other:
        await stuck.take("slow", ["file:/a"], term=0.0, quiesce=0.0)
        before = await holds(stuck, "slow")
        await take(other, "quick", "file:/a")
        after = await holds(stuck, "slow")
    assert (before, after) == (True, False)


async def test_leases_kept_for_a_while_are_let_go_by_themselves(tmp_path: Path) -> None:
    async with desk(tmp_path) as leases:
        await take(leases, "doubt", "file:/a")
        leases.release("doubt", after=5)
        held = await holds(leases, "doubt")
        waiting = asyncio.create_task(take(leases, "next", "file:/a"))
        early, _ = await asyncio.wait({waiting}, timeout=0.1)
        ahead(5)
        [lease] = await waiting
    assert (held, early, lease.epoch) == (True, set(), 2)


async def test_an_epoch_is_never_given_twice_also_when_its_lease_and_its_process_are_gone(
    tmp_path: Path,
) -> None:
    epochs = []
    for call in ("one", "two", "three"):
        async with desk(tmp_path) as leases:
            [lease] = await take(leases, call, "file:/a")
            leases.release(call)
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


async def test_who_holds_nothing_may_let_go_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as leases:
        leases.release("nobody")
        held = await holds(leases, "nobody")
    assert not held


async def test_a_process_that_is_about_to_stop_lets_nobody_wait_and_who_holds_goes_on(
    tmp_path: Path,
) -> None:
    """Whether they wait behind a call of their own process or of another, came before or come after."""
    async with desk(tmp_path) as ours, desk(tmp_path) as theirs:
        await take(ours, "holds", "file:/a")
        await take(theirs, "elsewhere", "file:/b")
        waiting = [
            asyncio.create_task(take(ours, call, key))
            for call, key in (("here", "file:/a"), ("there", "file:/b"), ("behind", "file:/b"))
        ]
        await take(ours, "sees", "file:/c")  # the desk has served everybody before it
        early = [each.done() for each in waiting]
        ours.give_up()
        waiting += [asyncio.create_task(take(ours, f"late {key}", f"file:/{key}")) for key in "ab"]
        said = await asyncio.gather(*waiting, return_exceptions=True)
        [free] = await take(ours, "free", "file:/d")
        held = [await holds(ours, "holds"), await holds(theirs, "elsewhere")]
        ours.release("holds")
        [after] = await take(theirs, "after", "file:/a")
    assert early == [False] * 3
    assert [no.reason for no in said if isinstance(no, Refused)] == [Reason.OVERLOADED] * 5
    assert "this gateway stops" in str(said[0])
    assert held == [True, True]
    assert after.epoch > free.epoch


def refused(work: object, hurried: bool = True) -> NoReturn:
    raise JournalError("the disk is full")


async def test_what_the_disk_refuses_to_let_go_is_let_go_later(tmp_path: Path) -> None:
    async with asyncio.timeout(20):
        journal = await SqliteJournal.open(tmp_path / "journal.db")
        leases, join = journal.leases(), journal.join
        await take(leases, "first", "file:/a")
        journal.join = refused  # type: ignore[method-assign]
        leases.release("first")
        journal.join = join  # type: ignore[method-assign]
        [second] = await take(leases, "second", "file:/a")
        await journal.aclose()
    assert second.epoch == 2


async def test_leases_of_one_undo_in_two_processes_are_not_taken_for_each_others(
    tmp_path: Path,
) -> None:
    """A clock that jumped ended an undo's leases while it lived; who took it up has them now."""
    now = [1_000_000]
    journals = [await SqliteJournal.open(tmp_path / "journal.db", lambda: now[0]) for _ in range(2)]
    one, two = (journal.leases() for journal in journals)
    async with asyncio.timeout(20):
        await take(one, "undo-1", "file:/a")
        now[0] += 86_400_000_000
        await take(two, "undo-1", "file:/a")
        assert [await holds(one, "undo-1"), await holds(two, "undo-1")] == [False, True]
        line = intent("step-1", effect="destroy")
        with pytest.raises(Refused, match="have ended"):
            await journals[0].append(replace(line, claims=(one.claim("undo-1"),))).sealed()
        await journals[1].append(replace(line, claims=(two.claim("undo-1"),))).sealed()
        for leases, journal in zip((one, two), journals, strict=True):
            leases.release("undo-1")
            await journal.aclose()


ONE = "server:/s"


@asynccontextmanager
async def process(tmp_path: Path, patience: float = 20.0) -> AsyncIterator[SqliteJournal]:
    """A gateway process that has seen that no other one takes leases, if none does."""
    async with asyncio.timeout(40):
        async with aclosing(await SqliteJournal.open(tmp_path / "journal.db")) as journal:
            leases = journal.leases(patience)
            for call in ("before", "and before"):
                await take(leases, call, "file:/else")
                leases.release(call)
            yield journal


async def take_one(leases: SqliteLeases, call: str, key: str = ONE) -> Taken:
    return await leases.take_one(call, key, term=60.0, quiesce=5.0)


def at_once(leases: SqliteLeases, call: str, key: str = ONE) -> Taken | None:
    return leases.at_once(call, key, term=60.0, quiesce=5.0)


def beginning(call: str, taken: Taken) -> Line:
    """The intent that takes them."""
    return replace(intent(call), claims=taken.claims)


def rows(tmp_path: Path) -> list[tuple[int, str, str]]:
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        return file.execute("SELECT epoch, call_id, key FROM lease ORDER BY epoch").fetchall()


async def test_a_lease_that_is_free_is_taken_in_the_commit_of_its_intent(tmp_path: Path) -> None:
    async with process(tmp_path) as journal:
        leases = journal.leases()
        taken = at_once(leases, "first")
        assert taken is not None
        line = journal.append(beginning("first", taken))
        in_the_way = at_once(leases, "second"), at_once(leases, "inside", f"{ONE}/a")
        beside = at_once(leases, "third", "server:/t")
        assert beside is not None
        await asyncio.gather(line.sealed(), journal.append(beginning("third", beside)).sealed())
        there, held = rows(tmp_path), await holds(leases, "first")
        leases.release("first")
        leases.release("third")
        [last] = await take(leases, "last", ONE)
    assert taken.leases == (Lease(ONE, 3),)
    assert there == [(3, "first", ONE), (4, "third", "server:/t")]
    assert (in_the_way, held, last.epoch) == ((None, None), True, 5)


async def test_who_waits_for_one_resource_has_it_in_the_commit_of_the_line_it_was_let_go_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its intent is in that commit."""
    commits: list[list[str]] = []
    write = SqliteFile.write

    def seen(self: SqliteFile, lines: Sequence[Entry], works: Sequence[Work] = ()) -> Any:
        commits.append([f"{line.line.call_id} {line.line.kind}" for line in lines])
        return write(self, lines, works)

    async def call(journal: SqliteJournal, name: str) -> int:
        leases = journal.leases()
        taken = at_once(leases, name) or await take_one(leases, name)
        await journal.append(beginning(name, taken)).sealed()
        await asyncio.sleep(0)
        line = journal.append(outcome(name))
        leases.release(name)
        await line.sealed()
        return taken.leases[0].epoch

    async with process(tmp_path) as journal:
        monkeypatch.setattr(SqliteFile, "write", seen)
        epochs = await asyncio.gather(*(call(journal, f"c{n}") for n in range(5)))
    between = [[f"c{n} applied", f"c{n + 1} intent"] for n in range(4)]
    assert [lines for lines in commits if lines] == [["c0 intent"], *between, ["c4 applied"]]
    assert epochs == [3, 4, 5, 6, 7]


async def test_a_lease_another_process_has_refuses_the_intent_and_is_waited_for(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as ours, process(tmp_path) as theirs:
        leases = ours.leases()
        taken = at_once(leases, "first")
        assert taken is not None
        await take(theirs.leases(), "theirs", ONE)
        with pytest.raises(Refused):
            await ours.append(beginning("first", taken)).sealed()
        left = [call for _, call, _ in rows(tmp_path)]
        waiting = asyncio.create_task(take_one(leases, "first"))
        await take(theirs.leases(), "time passes", "file:/b")
        early = waiting.done()
        theirs.leases().release("theirs")
        got = await waiting
        await ours.append(beginning("first", got)).sealed()
        beside = at_once(leases, "next", "server:/t")
        there = rows(tmp_path)[-1]
    assert (left, early, got.claims, beside) == (["theirs"], False, (), None)
    assert there == (got.leases[0].epoch, "first", ONE)
    assert got.leases[0].epoch > taken.leases[0].epoch


async def test_a_lease_another_process_has_had_for_long_refuses_the_intent_too(
    tmp_path: Path,
) -> None:
    """Its number is an old one."""
    async with desk(tmp_path) as theirs:
        await take(theirs, "theirs", ONE)
        async with process(tmp_path) as ours:
            taken = at_once(ours.leases(), "first")
            assert taken is not None
            with pytest.raises(Refused):
                await ours.append(beginning("first", taken)).sealed()
            left = rows(tmp_path)
    assert left == [(1, "theirs", ONE)]


async def test_a_number_another_process_was_given_is_not_given_again(tmp_path: Path) -> None:
    async with process(tmp_path) as ours, process(tmp_path) as theirs:
        taken = at_once(ours.leases(), "first")
        assert taken is not None
        [other] = await take(theirs.leases(), "theirs", "file:/b")
        theirs.leases().release("theirs")
        await take(theirs.leases(), "it is gone", "file:/c")
        theirs.leases().release("it is gone")
        await holds(theirs.leases(), "it is gone")
        with pytest.raises(Refused):
            await ours.append(beginning("first", taken)).sealed()
    assert other.epoch >= taken.leases[0].epoch


async def test_what_a_held_call_lets_go_takes_nothing_with_it_when_the_call_is_sent(
    tmp_path: Path,
) -> None:
    """Lines are written before what goes with them; and what was not to be had is let go the same way."""
    async with process(tmp_path) as journal:
        leases = journal.leases()
        assert at_once(leases, "call") is not None
        leases.release("call")  # it is held, and its time comes before that is in the file
        taken = at_once(leases, "call") or await take_one(leases, "call")
        await journal.append(beginning("call", taken)).sealed()
        await take(leases, "time passes", "file:/b")
        there, held = rows(tmp_path)[0], await holds(leases, "call")
        leases.release("call")
        await take(leases, "more time", "file:/c")
        again = at_once(leases, "call")
    assert (there, held) == ((taken.leases[0].epoch, "call", ONE), True)
    assert again is not None


async def test_who_takes_again_what_it_keeps_for_a_while_has_it_before_all_who_wait(
    tmp_path: Path,
) -> None:
    """An undo that is taken up again at once, by the process in which it was cut off."""
    async with desk(tmp_path) as leases:
        [first] = await take(leases, "undo", "file:/a")
        leases.release("undo", after=60.0)
        waiting = asyncio.create_task(take(leases, "later", "file:/a"))
        await asyncio.sleep(0)
        [second] = await take(leases, "undo", "file:/a")
        held, early = await holds(leases, "undo"), waiting.done()
        leases.release("undo")
        [third] = await waiting
    assert (held, early) == (True, False)
    assert first.epoch < second.epoch < third.epoch


async def test_who_takes_something_else_instead_waits_for_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as leases:
        await take(leases, "undo", "file:/a")
        leases.release("undo", after=60.0)
        await take(leases, "beside", "file:/b")
        waiting = asyncio.create_task(take(leases, "undo", "file:/a", "file:/b"))
        await take(leases, "after", "file:/a")
        early = waiting.done()
        leases.release("beside")
        leases.release("after")
        held = len(await waiting), await holds(leases, "undo")
    assert (early, held) == (False, (2, True))


async def test_a_number_nobody_used_holds_up_nobody(tmp_path: Path) -> None:
    async with process(tmp_path) as journal:
        leases = journal.leases()
        denied, later = at_once(leases, "denied"), at_once(leases, "later", "server:/t")
        assert denied is not None and later is not None
        leases.release("denied")
        await journal.append(beginning("later", later)).sealed()
        late = replace(beginning("denied", denied), call_id="late", record=call_record("late"))
        with pytest.raises(Refused):  # it would be before one that is later
            await journal.append(late).sealed()
        taken = at_once(leases, "after")
        assert taken is not None
        await journal.append(beginning("after", taken)).sealed()
    assert (later.leases[0].epoch, taken.leases[0].epoch) == (4, 5)


async def test_who_takes_leases_with_intents_is_alone_with_them_over_processes(
    tmp_path: Path,
) -> None:
    holding: dict[str, str] = {}
    epochs: dict[str, list[int]] = {"server:/s": [], "server:/t": []}

    async def write(journal: SqliteJournal, call: str, key: str) -> None:
        leases = journal.leases()
        taken = at_once(leases, call, key) or await take_one(leases, call, key)
        while True:
            try:
                await journal.append(beginning(call, taken)).sealed()
                break
            except Refused:
                taken = await take_one(leases, call, key)
        assert key not in holding
        holding[key] = call
        epochs[key].append(taken.leases[0].epoch)
        await asyncio.sleep(0.001)
        assert holding.pop(key) == call
        assert await holds(leases, call)
        line = journal.append(outcome(call))
        leases.release(call)
        await line.sealed()

    async def writes(journal: SqliteJournal, name: str, calls: int, pause: float) -> None:
        for n in range(calls):
            await asyncio.gather(*(write(journal, f"{name}-{key}-{n}", key) for key in epochs))
            await asyncio.sleep(pause)

    async with process(tmp_path) as ours, process(tmp_path) as theirs:
        often = (writes(ours, f"ours{n}", 60, 0) for n in range(2))
        await asyncio.gather(*often, writes(theirs, "theirs", 4, 0.02))
    assert [len(each) for each in epochs.values()] == [124, 124]
    assert all(each == sorted(set(each)) for each in epochs.values())
