"""Every journal keeps the promises of `ports.Journal` and `ports.JournalReader`. Adapters are found, not listed."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import gateway.journals
from gateway.core import record
from gateway.core.model import OutcomeKind
from gateway.core.record import MOVES, IllegalMove, Line, State
from gateway.errors import JournalError
from gateway.journals.memory import Memory, MemoryJournal, MemoryReader
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter, Journal, JournalReader
from gateway.values import replace
from tests.journals.calls import NOON, call_record, intent, outcome, refusal


@dataclass(frozen=True)
class Store:
    """One store, and how it is opened by one process after another."""

    open: Callable[[], Coroutine[Any, Any, Journal]]
    reader: Callable[[], JournalReader]


def _sqlite(place: Path, closing: ExitStack) -> Store:
    path = place / "journal.db"

    def reader() -> SqliteReader:
        one = SqliteReader(path)
        closing.callback(one.close)
        return one

    return Store(lambda: SqliteJournal.open(path), reader)


def _memory(_: Path, __: ExitStack) -> Store:
    memory = Memory()

    async def open_one() -> Journal:
        return MemoryJournal(memory)

    return Store(open_one, lambda: MemoryReader(memory))


STORES: dict[type, Callable[[Path, ExitStack], Store]] = {
    SqliteJournal: _sqlite,
    MemoryJournal: _memory,
}


def adapters() -> list[type]:
    """Every class in gateway/journals that has the port's methods."""
    found = []
    for module in pkgutil.iter_modules(gateway.journals.__path__, "gateway.journals."):
        for thing in vars(importlib.import_module(module.name)).values():
            ours = isinstance(thing, type) and thing.__module__ == module.name
            if ours and all(hasattr(thing, name) for name in ("append", "recover", "aclose")):
                found.append(thing)
    return found


@pytest.fixture(params=adapters(), ids=lambda adapter: adapter.__name__)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with ExitStack() as closing:
        yield STORES[request.param](tmp_path, closing)


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Journal]:
    async with asyncio.timeout(20):
        journal = await store.open()
        try:
            yield journal
        finally:
            await journal.aclose()


async def write(journal: Journal, *lines: Line) -> list[int]:
    """Queue all, then wait for all."""
    pending = [journal.append(line) for line in lines]
    return [(await each.sealed()).seq for each in pending]


def test_the_suite_found_both_adapters_of_today() -> None:
    assert {SqliteJournal, MemoryJournal} <= set(adapters())


async def test_a_line_is_queued_at_once_and_sealed_in_order(store: Store) -> None:
    async with opened(store) as journal:
        pending = [journal.append(intent(f"call{n:04}")) for n in range(50)]
        queued = [each.line for each in pending]
        seqs = [(await each.sealed()).seq for each in pending]
    assert [line.call_id for line in queued] == [f"call{n:04}" for n in range(50)]
    assert {line.kind for line in queued} == {State.INTENT}
    assert seqs == sorted(set(seqs))


async def test_sealed_may_be_awaited_by_many_and_after_the_fact(store: Store) -> None:
    async with opened(store) as journal:
        pending = journal.append(intent("call-1"))
        first, second = await asyncio.gather(pending.sealed(), pending.sealed())
        third = await pending.sealed()
    assert first == second == third


async def test_a_cancelled_waiter_takes_nobody_along(store: Store) -> None:
    async with opened(store) as journal:
        pending = journal.append(intent("call-1"))
        waiters = [asyncio.ensure_future(pending.sealed()) for _ in range(2)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        sealed = await waiters[1]
    assert sealed.call_id == "call-1"


async def test_no_later_line_is_sealed_without_the_first(store: Store) -> None:
    """Whoever waits for an outcome has waited for its intent."""
    async with opened(store) as here, opened(store) as there:
        await write(here, intent("call-1"), outcome("call-1"))
        begun, ended = there.append(intent("call-1")), there.append(outcome("call-1"))
        for refused in (ended, begun):
            with pytest.raises(JournalError, match="call-1"):
                await refused.sealed()


async def test_a_call_is_read_back_as_it_was_written(store: Store) -> None:
    asked = call_record(
        "call-0001", arguments={"a": [1, 2.5, None, "é\u202e\x7f\x00"], "big": 2**70}
    )
    async with opened(store) as journal:
        await write(journal, record.intent(asked, NOON))
        under_way = store.reader().call("call-0001")
        await write(journal, outcome("call-0001", "tool_error", NOON + 7))
        settled = store.reader().call("call-0001")
    assert under_way is not None and settled is not None
    assert under_way.record == settled.record == asked
    assert (under_way.state, under_way.settled_at, under_way.outcome) == (State.INTENT, None, {})
    assert (settled.state, settled.created_at, settled.settled_at) == (State.FAILED, NOON, NOON + 7)
    assert settled.outcome == {"outcome": "tool_error", "digest": "sha256:dd"}


async def test_a_refusal_is_a_settled_call_with_its_reason(store: Store) -> None:
    async with opened(store) as journal:
        await write(journal, refusal("call-0001"))
    row = store.reader().call("call-0001")
    assert row is not None
    assert (row.state, row.settled_at) == (State.REFUSED, NOON)
    assert row.outcome == {"reason": "no_rule", "detail": "nearest P020"}


async def test_a_body_is_one_line_of_ascii_json_without_control_characters(store: Store) -> None:
    nasty = {"é": "\x1b[2J\u202e\x7f\x85\n\t", "surrogate": "\ud800"}
    async with opened(store) as journal:
        await write(journal, intent("call-1", arguments=nasty))
    [event] = store.reader().lines("call-1")
    assert all(0x20 <= byte < 0x7F for byte in event.body)
    assert event.said["record"]["arguments"] == nasty


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (intent, None),
        (intent, "ok"),
        (intent, "tool_error"),
        (intent, "rejected"),
        (intent, "in_doubt"),
        (refusal, None),
    ],
)
async def test_every_state_refuses_every_move_its_table_does_not_hold(
    store: Store, first: Callable[[str], Line], later: OutcomeKind | None
) -> None:
    """Tried by the process that wrote the call and by the next one, which has only the store to ask."""
    refused: dict[str, set[State]] = {"same": set(), "next": set()}
    async with opened(store) as journal:
        await write(journal, first("call-1"), *([outcome("call-1", later)] if later else []))
        stood = store.reader().call("call-1")
        assert stood is not None
        illegal = set(State) - MOVES[stood.state]
        refused["same"] = {to for to in illegal if await _refuses(journal, to)}
    async with opened(store) as journal:
        refused["next"] = {to for to in illegal if await _refuses(journal, to)}
    stands = store.reader().call("call-1")
    assert refused == {"same": illegal, "next": illegal}
    assert stands == stood
    assert len(store.reader().events(0, 100)) == (2 if later else 1)


async def _refuses(journal: Journal, to: State) -> bool:
    given = call_record("call-1") if to in MOVES[None] else None
    try:
        await journal.append(Line("call-1", to, NOON, {}, given)).sealed()
    except (JournalError, IllegalMove):
        return True
    return False


async def test_an_illegal_line_harms_no_line_beside_it(store: Store) -> None:
    async with opened(store) as journal:
        await write(journal, intent("call-1"), outcome("call-1"))
        good_before = journal.append(intent("call-2"))
        bad = journal.append(Line("call-1", State.FAILED, NOON, {}))
        good_after = journal.append(outcome("call-2"))
        with pytest.raises(JournalError, match="call-1"):
            await bad.sealed()
        seqs = [(await good_before.sealed()).seq, (await good_after.sealed()).seq]
    assert [event.seq for event in store.reader().events(2, 10)] == seqs


async def test_an_outcome_of_an_unknown_call_is_refused(store: Store) -> None:
    async with opened(store) as journal:
        with pytest.raises((JournalError, IllegalMove)):
            await journal.append(outcome("nobody")).sealed()
    assert list(store.reader().events(0, 10)) == []


async def test_a_refused_outcome_does_not_stand_in_the_way_of_a_first_line(store: Store) -> None:
    async with opened(store) as journal:
        stray = journal.append(outcome("call-1", "in_doubt"))
        first = journal.append(intent("call-1"))
        with pytest.raises(JournalError):
            await stray.sealed()
        sealed = await first.sealed()
    assert sealed.kind is State.INTENT


async def test_a_first_line_needs_its_own_record(store: Store) -> None:
    async with opened(store) as journal:
        with pytest.raises(IllegalMove):
            journal.append(Line("call-1", State.NOTED, NOON, {}))
        with pytest.raises(JournalError):
            await journal.append(Line("call-1", State.INTENT, NOON, {})).sealed()
        with pytest.raises(IllegalMove):
            journal.append(Line("call-1", State.INTENT, NOON, {}, call_record("call-2")))
        with pytest.raises(IllegalMove):
            journal.append(replace(outcome("call-1"), record=call_record("call-1")))


async def test_what_json_cannot_say_is_refused_and_leaves_no_trace(store: Store) -> None:
    async with opened(store) as journal:
        with pytest.raises(JournalError, match="call-1"):
            journal.append(intent("call-1", arguments={"a": object()}))
        await write(journal, intent("call-1"))
    assert len(store.reader().events(0, 10)) == 1


async def test_a_late_answer_settles_a_doubt_also_in_the_next_process(store: Store) -> None:
    async with opened(store) as journal:
        await write(journal, intent("call-1"), outcome("call-1", "in_doubt"))
    async with opened(store) as journal:
        await write(journal, Line("call-1", State.APPLIED, NOON + 9, {"outcome": "ok"}))
    row = store.reader().call("call-1")
    assert row is not None
    assert (row.state, row.settled_at) == (State.APPLIED, NOON + 9)


async def test_recovery_settles_what_a_gone_process_left_open_and_nothing_else(
    store: Store,
) -> None:
    async with opened(store) as gone:
        await write(gone, intent("left-1"), intent("done-1"), outcome("done-1"), intent("left-2"))
        await write(gone, refusal("no-1"), intent("doubt-1"), outcome("doubt-1", "in_doubt"))
    async with opened(store) as living, opened(store) as journal:
        await write(living, intent("live-1"))
        lost = await journal.recover()
        again = await journal.recover()
        await write(living, outcome("live-1"))
    states = {row.record.call_id: row.state for row in store.reader().calls(CallFilter(), 10)}
    assert (sorted(lost), list(again)) == (["left-1", "left-2"], [])
    assert states == {
        "left-1": State.IN_DOUBT,
        "left-2": State.IN_DOUBT,
        "done-1": State.APPLIED,
        "no-1": State.REFUSED,
        "doubt-1": State.IN_DOUBT,
        "live-1": State.APPLIED,
    }


async def test_closing_seals_what_is_queued_and_refuses_what_comes_later(store: Store) -> None:
    async with asyncio.timeout(20):
        journal = await store.open()
        pending = [journal.append(intent(f"call{n}")) for n in range(20)]
        await journal.aclose()
        sealed = [await each.sealed() for each in pending]
        with pytest.raises(JournalError, match="closed"):
            journal.append(intent("late"))
        with pytest.raises(JournalError, match="closed"):
            await journal.recover()
        await journal.aclose()
    assert len(sealed) == len(store.reader().events(0, 100)) == 20


async def test_a_cursor_over_events_misses_nothing_and_repeats_nothing(store: Store) -> None:
    seen: list[int] = []
    async with opened(store) as one, opened(store) as other:
        for n in range(20):
            await write(one, intent(f"one{n}"))
            await write(other, intent(f"other{n}"), outcome(f"other{n}"))
            after = seen[-1] if seen else 0
            seen += [event.seq for event in store.reader().events(after, 2)]
    while page := store.reader().events(seen[-1], 7):
        seen += [event.seq for event in page]
    assert seen == sorted(set(seen))
    assert len(seen) == 60


async def test_calls_are_found_by_every_field_newest_first(store: Store) -> None:
    async with opened(store) as journal:
        await write(journal, intent("call-a", at=NOON), outcome("call-a"))
        await write(journal, intent("call-b", at=NOON + 5, agent="agent:other", server="time"))
        await write(
            journal, intent("call-c", at=NOON + 9, tier="tool", task="task-2", tenant="acme")
        )
        await write(journal, refusal("call-d", at=NOON + 10, tier="tool"))
    reader = store.reader()

    def found(limit: int = 10, **which: Any) -> list[str]:
        return [row.record.call_id[-1] for row in reader.calls(CallFilter(**which), limit)]

    assert found() == ["d", "c", "b", "a"]
    assert found(limit=2) == ["d", "c"]
    assert found(agent="agent:other") == ["b"]
    assert found(server="git") == ["d", "c", "a"]
    assert found(state=State.INTENT) == ["c", "b"]
    assert found(tier="tool") == ["d", "c"]
    assert found(task="task-2") == ["c"]
    assert found(tenant="acme") == ["c"]
    assert found(tenant="acme", tier="data") == []
    assert found(since=NOON + 5) == ["d", "c", "b"]
    assert found(tier="tool", state=State.REFUSED) == ["d"]
    assert found(agent="agent:nobody") == []


async def test_a_call_is_found_by_a_prefix_only_one_call_has(store: Store) -> None:
    async with opened(store) as journal:
        await write(journal, intent("abcdef01"), intent("abcdef02"), intent("xyz-_%01"))
    reader = store.reader()
    ids = {
        asked: (row.record.call_id if (row := reader.call(asked)) else None)
        for asked in ("abcdef01", "abcdef", "abcde", "xyz-_%", "xyz-__", "nobody", "")
    }
    assert ids == {
        "abcdef01": "abcdef01",
        "abcdef": None,
        "abcde": None,
        "xyz-_%": "xyz-_%01",
        "xyz-__": None,
        "nobody": None,
        "": None,
    }


WRITERS = 64
CALLS_EACH = 6


async def test_a_cursor_misses_nothing_under_64_writers_of_four_journals(store: Store) -> None:
    """A reader that follows while they write sees each line once, in the order of its number."""
    seen: list[int] = []
    done = asyncio.Event()

    async def writer(journal: Journal, number: int) -> None:
        for call in range(CALLS_EACH):
            name = f"call-{number}-{call}"
            await journal.append(intent(name)).sealed()
            await journal.append(outcome(name)).sealed()

    async def follower() -> None:
        reader, is_last = store.reader(), False
        while not is_last:
            is_last = done.is_set()
            while rows := await asyncio.to_thread(reader.events, seen[-1] if seen else 0, 17):
                seen.extend(row.seq for row in rows)

    async with asyncio.timeout(120):
        journals = [await store.open() for _ in range(4)]
        following = asyncio.create_task(follower())
        await asyncio.gather(*(writer(journals[n % 4], n) for n in range(WRITERS)))
        done.set()
        await following
        for journal in journals:
            await journal.aclose()
    assert seen == [*range(1, WRITERS * CALLS_EACH * 2 + 1)]
    assert len({row.call_id for row in store.reader().events(0, 10_000)}) == WRITERS * CALLS_EACH
