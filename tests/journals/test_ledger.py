"""Budgets in a real journal: taken with the intent or not at all, up the whole chain, over all processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.core import record
from gateway.core.forget import Forget
from gateway.core.grant import MOST_CHILDREN, End, Give, Grant, Spend, Standing
from gateway.errors import JournalError, Refused
from gateway.journals import ledger
from gateway.journals.grants import EPOCH, SqliteGrants
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter
from gateway.values import replace
from tests.grants.given import NOON, SECOND, grant
from tests.journals.calls import call_record, intent


@dataclass
class Purse:
    """A journal with grants in it."""

    journal: SqliteJournal
    store: SqliteGrants
    numbers: count[int]

    async def claim(self, claim: record.Claim) -> None:
        line = record.noted(call_record(f"act-{next(self.numbers)}"), NOON, {}, (claim,))
        async with asyncio.timeout(20):
            await self.journal.append(line).sealed()

    async def give(self, *grants: Grant) -> None:
        for one in grants:
            await self.claim(Give(one))

    async def spend(self, *chain: str, writes: int = 0, size: int = 0, at: int = NOON) -> str:
        """The reason it was refused for; empty when it was not."""
        line = intent(f"call-{next(self.numbers)}")
        claims = (Spend(chain, writes, size, at),)
        try:
            async with asyncio.timeout(20):
                await self.journal.append(replace(line, claims=claims)).sealed()
        except Refused as no:
            return f"{no.reason}: {no.detail}"
        return ""

    def standing(self, name: str) -> Standing:
        found = self.store.find(name)
        assert found is not None
        return found


@asynccontextmanager
async def purse(path: Path, *grants: Grant, start: int = 0) -> AsyncIterator[Purse]:
    """`start`: the number of its first call, where several share the file."""
    journal = await SqliteJournal.open(path)
    one = Purse(journal, journal.grants(), count(start))
    try:
        await one.give(*grants)
        yield one
    finally:
        one.store.close()
        await journal.aclose()


async def test_a_call_that_overspends_leaves_no_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with purse(path, grant("a", uses=2)) as one:
        said = [await one.spend("a") for _ in range(3)]
        left = one.standing("a")
    assert said == ["", "", "grant_spent: grant a: no uses are left"]
    assert (left.uses, left.used, sent(path)) == (0, 2, 2)


@pytest.mark.parametrize(
    ("limits", "spent", "why"),
    [
        ({"writes": 1}, {"writes": 1}, "no writes are left"),
        ({"bytes": 15}, {"size": 10}, "not so many bytes are left"),
    ],
)
async def test_each_budget_is_its_own(
    tmp_path: Path, limits: dict[str, Any], spent: dict[str, int], why: str
) -> None:
    async with purse(tmp_path / "journal.db", grant("a", **limits)) as one:
        first, second = await one.spend("a", **spent), await one.spend("a", **spent)
        other = await one.spend("a")
    assert (first, second, other) == ("", f"grant_spent: grant a: {why}", "")


async def test_a_spend_is_taken_from_the_whole_chain_or_from_none(tmp_path: Path) -> None:
    root = grant("a", uses=3)
    child = grant("b", root, uses=10)
    leaf = grant("c", child)
    async with purse(tmp_path / "journal.db", root, child, leaf) as one:
        said = [await one.spend("c", "b", "a"), await one.spend("b", "a"), await one.spend("a")]
        over = await one.spend("c", "b", "a")
        left = [one.standing(name).used for name in "abc"]
    assert said == ["", "", ""]
    assert over == "grant_spent: grant a: no uses are left"
    assert left == [3, 2, 1]


async def test_the_grant_that_is_named_is_the_one_that_has_not_enough(tmp_path: Path) -> None:
    """Also when the others of its chain had just enough."""
    root, other = grant("a", uses=9, seconds=10), grant("o", uses=1)
    child = grant("b", root, uses=1)
    async with purse(tmp_path / "journal.db", root, child, other) as one:
        late = await one.spend("b", "a", at=NOON + 10 * SECOND)
        unknown = await one.spend("gone", "o")
        left = [one.standing(name).uses for name in "abo"]
    assert late == "grant_over: grant a: it has expired"
    assert unknown == "grant_over: grant gone: there is no such grant"
    assert left == [9, 1, 1]


async def test_more_grants_than_one_statement_takes_are_spent_in_one_batch(tmp_path: Path) -> None:
    roots = [grant(f"r{n}", uses=2) for n in range(150)]
    children = [grant(f"c{n}", roots[n], writes=1) for n in range(150)]
    async with purse(tmp_path / "journal.db") as one:
        await asyncio.gather(*(one.give(each) for each in roots))
        await asyncio.gather(*(one.give(each) for each in children))
        said = await asyncio.gather(*(one.spend(f"c{n}", f"r{n}", writes=1) for n in range(150)))
        again = await asyncio.gather(*(one.spend(f"c{n}", f"r{n}", writes=n % 2) for n in range(9)))
        left = [(row.uses, row.writes, row.used) for row in one.store.all()]
    assert not any(said)
    assert again == [
        "" if n % 2 == 0 else f"grant_spent: grant c{n}: no writes are left" for n in range(9)
    ]
    assert sum(used for _, _, used in left) == 2 * (150 + 5)
    assert all((uses or 0) >= 0 and (writes or 0) >= 0 for uses, writes, _ in left)


async def test_a_batch_with_one_that_overspends_seals_the_others(tmp_path: Path) -> None:
    async with purse(tmp_path / "journal.db", grant("a", uses=5), grant("b")) as one:
        said = await asyncio.gather(
            *(one.spend("a" if n % 2 else "b", writes=1) for n in range(20))
        )
        used = one.standing("a").used, one.standing("b").used
    assert [bool(each) for each in said[::2]] == [False] * 10
    assert sum(not each for each in said[1::2]) == 5
    assert used == (5, 10)


async def test_what_is_ended_between_two_calls_of_one_batch_is_ended_for_the_second(
    tmp_path: Path,
) -> None:
    async with purse(tmp_path / "journal.db", grant("a"), grant("b")) as one:
        before, ended, after, other = await asyncio.gather(
            one.spend("a", writes=1),
            one.claim(End("a", "revoked", "")),
            one.spend("a", writes=1),
            one.spend("b", writes=1),
        )
        used = one.standing("a").used
    assert (before, ended, other) == ("", None, "")
    assert after == "grant_over: grant a: it was revoked or completed"
    assert used == 1


async def test_so_many_in_a_minute_and_so_many_at_once(tmp_path: Path) -> None:
    async with purse(tmp_path / "journal.db", grant("a", per_minute=60, burst=2)) as one:
        at_once = [await one.spend("a") for _ in range(3)]
        later = [await one.spend("a", at=NOON + n * SECOND) for n in (1, 2, 2)]
    assert [bool(each) for each in at_once] == [False, False, True]
    assert "too many calls in a minute" in at_once[-1]
    assert [bool(each) for each in later] == [False, False, True]


async def test_revoked_expired_or_idle_nothing_can_be_spent(tmp_path: Path) -> None:
    grants = grant("a"), grant("b", seconds=10), grant("c", idle=5)
    async with purse(tmp_path / "journal.db", *grants) as one:
        await one.claim(End("a", "revoked", "operator:ada"))
        revoked = await one.spend("a")
        expired = await one.spend("b", at=NOON + 10 * SECOND)
        used = await one.spend("c", at=NOON + 4 * SECOND)
        again = await one.spend("c", at=NOON + 8 * SECOND)
        idle = await one.spend("c", at=NOON + 14 * SECOND)
        words = [one.standing(name).word(NOON + 14 * SECOND) for name in "abc"]
    assert revoked == "grant_over: grant a: it was revoked or completed"
    assert expired == "grant_over: grant b: it has expired"
    assert (used, again) == ("", "")
    assert idle == "grant_over: grant c: it lay idle too long"
    assert words == ["revoked", "expired", "idle"]


async def test_what_is_over_is_left_out_where_only_what_may_be_in_force_is_asked_for(
    tmp_path: Path,
) -> None:
    """Grants are never thrown away, and whoever may ask for a list would read all there ever were."""
    short, long, ended = grant("short", seconds=10), grant("long"), grant("ended")
    async with purse(tmp_path / "journal.db", short, long, ended) as one:
        await one.claim(End("ended", "revoked", ""))
        names = [{row.grant.id for row in one.store.all(at)} for at in (NOON, NOON + 10 * SECOND)]
        every = {row.grant.id for row in one.store.all()}
    assert names == [{"short", "long"}, {"long"}]
    assert every == {"short", "long", "ended"}


async def test_a_revoked_grant_takes_all_below_it_along(tmp_path: Path) -> None:
    root = grant("a")
    child = grant("b", root)
    leaf = grant("c", child)
    async with purse(tmp_path / "journal.db", root, child, leaf, grant("other")) as one:
        epoch = one.store.epoch()
        await one.claim(End("b", "revoked", "operator:ada"))
        one.store.changed()
        words = {row.grant.id: row.state for row in one.store.all()}
        late = grant("d", child)
        with pytest.raises(Refused, match="grant b is not in force"):
            await one.give(late)
        with pytest.raises(Refused, match="no grant b"):
            await one.claim(End("b", "completed", ""))
        assert one.store.epoch() > epoch
        assert one.store.find("d") is None
    assert words == {"a": "active", "b": "revoked", "c": "revoked", "other": "active"}


async def test_one_grant_is_handed_on_so_often_and_no_oftener(tmp_path: Path) -> None:
    root = grant("a")
    some = [grant(f"c{n}", root) for n in range(MOST_CHILDREN)]
    async with purse(tmp_path / "journal.db", root, *some) as one:
        with pytest.raises(Refused, match="handed on too often"):
            await one.give(grant("more", root))
        await one.claim(End("c0", "completed", ""))
        await one.give(grant("another", root))
        assert one.store.find("more") is None
        assert one.store.find("another") is not None


async def test_a_task_of_an_agent_works_for_one_root_and_no_other(tmp_path: Path) -> None:
    """Else it could read for the one and send for the other."""
    root, other = grant("a"), grant("o")
    child = grant("c", root)
    second = replace(grant("c2", other), agent=child.agent, task=child.task)
    async with purse(tmp_path / "journal.db", root, other, child) as one:
        with pytest.raises(Refused, match="outside_grant: task c of agent:c works for another"):
            await one.give(second)
        await one.claim(End("c", "completed", ""))
        with pytest.raises(Refused, match="works for another"):
            await one.give(second)
        await one.give(replace(second, root_task=root.root_task))


async def test_a_task_that_was_handed_a_grant_can_be_given_one_of_its_own_with_the_same_labels(
    tmp_path: Path,
) -> None:
    """Whoever may hand on may name any task; that it works no more by its role would else be for ever."""
    root = grant("a")
    child = grant("c", root)
    own = replace(grant("own"), agent=child.agent, task=child.task, root_task=child.task)
    below = replace(grant("b", own), root_task=root.root_task)
    async with purse(tmp_path / "journal.db", root, child) as one:
        await one.claim(End("a", "revoked", ""))
        await one.give(own)
        found = one.standing("own")
        await one.give(below)
    assert (found.state, found.grant.root_task) == ("active", root.root_task)


async def test_a_spend_is_news_once_nothing_is_left(tmp_path: Path) -> None:
    root = grant("a", uses=2)
    async with purse(tmp_path / "journal.db", root, grant("b", root), grant("c", root)) as one:
        last = one.store.since(0)[-1].rev
        await one.spend("b", "a")
        before = one.store.since(last)
        await asyncio.gather(*(one.spend("b", "a") for _ in range(3)))
        news = [(row.grant.id, row.state, row.said) for row in one.store.since(last)]
        last = one.store.since(last)[-1].rev
        await one.spend("c", "a")
        after = one.store.since(last)
    assert (before, news, after) == ([], [("a", "active", "no uses are left")], [])


async def test_every_other_change_is_news_at_once(tmp_path: Path) -> None:
    async with purse(tmp_path / "journal.db", grant("a"), grant("b")) as one:
        await one.spend("a")
        seen = [row.grant.id for row in one.store.since(0)]
        last = one.store.since(0)[-1].rev
        await one.claim(End("a", "completed", ""))
        news = [(row.grant.id, row.state) for row in one.store.since(last)]
        at_noon, later = one.store.since(0, NOON), one.store.since(0, NOON + 3600 * SECOND)
        read_back = one.standing("b").grant
    assert (seen, news) == (["a", "b"], [("a", "completed")])
    assert [row.grant.id for row in at_noon] == ["b", "a"]
    assert [row.grant.id for row in later] == ["a"]
    assert read_back == grant("b")


async def test_a_change_that_a_full_disk_lets_nobody_tell_of_is_a_change_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / EPOCH).symlink_to("/dev/full")
    async with purse(tmp_path / "journal.db", grant("a")) as one:
        one.store.changed()
        assert one.store.find("a") is not None


async def test_a_journal_that_cannot_be_written_spends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with purse(path, grant("a", uses=1)) as one:
        path.rename(tmp_path / "gone.db")
        with pytest.raises(JournalError):
            await one.spend("a")
        (tmp_path / "gone.db").rename(path)
        left = one.standing("a").uses
    assert left == 1


def children(path: Path, *more: str) -> list[list[str]]:
    """How to start four of them."""
    command = [sys.executable, "-m", "tests.journals.spending_child", str(path), "d,c,b,a"]
    return [[*command, f"p{n}", *more] for n in range(4)]


def four_deep(**limits: Any) -> list[Grant]:
    chain = [grant("a", **limits)]
    for name in "bcd":
        chain.append(grant(name, chain[-1]))
    return chain


def sent(path: Path) -> int:
    """Calls whose intent is in the journal."""
    with closing(SqliteReader(path)) as reader:
        states = record.State.INTENT, record.State.IN_DOUBT
        return sum(len(reader.calls(CallFilter(state=state), 1_000_000)) for state in states)


@pytest.mark.parametrize("lines", ["50", "1000000"])
async def test_500_of_500_uses_under_racing_processes(tmp_path: Path, lines: str) -> None:
    """Whether the purses are folded all the time or never."""
    path = tmp_path / "journal.db"
    async with purse(path, *four_deep(uses=500)) as one:
        async with asyncio.timeout(60):
            processes = [
                await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
                for command in children(path, lines)
            ]
            said = [(await each.communicate())[0] for each in processes]
        left = [one.standing(name) for name in "abcd"]
        late = await one.spend("d", "c", "b", "a")
    assert sum(map(len, said)) == 500
    assert [each.used for each in left] == [500] * 4
    assert (left[0].uses, sent(path)) == (0, 500)
    assert late == "grant_spent: grant a: no uses are left"


@pytest.mark.parametrize("lines", ["50", "1000000"])
async def test_no_spend_is_lost_when_its_process_is_killed(tmp_path: Path, lines: str) -> None:
    """At any moment, before the purses were folded or right after."""
    path = tmp_path / "journal.db"
    async with purse(path, *four_deep(uses=10**6)):
        pass
    let_through = 0
    for kill, command in enumerate(children(path, lines)):
        async with asyncio.timeout(60):
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            assert process.stdout is not None
            let_through += len(await process.stdout.readexactly(20 + 31 * kill))
            process.kill()
            let_through += len(await process.stdout.read())
            await process.wait()
        async with purse(path, start=1_000 * (kill + 1)) as one:
            used = [one.standing(name).used for name in "abcd"]
            assert await one.spend("d", "c", "b", "a") == ""
            let_through += 1
            again = [one.standing(name).used for name in "abcd"]
        # What the kill cut off was durable and is told to nobody: it counts as spent.
        assert used == [used[0]] * 4
        assert again == [sent(path)] * 4 == [used[0] + 1] * 4
        assert again[0] >= let_through


async def test_processes_that_spend_by_turns_see_each_others_spends_ends_and_grants(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    root = grant("a", uses=5, idle=5)
    async with purse(path, root) as one, purse(path, start=1_000) as other:
        said = [await each.spend("a") for each in (one, other, one, other)]
        await other.give(grant("b", root))
        said.append(await one.spend("b", "a", at=NOON + 4 * SECOND))
        assert [each.standing("a").uses for each in (one, other)] == [0, 0]
        assert await other.spend("a") == "grant_spent: grant a: no uses are left"
        # The other's spend kept it from being idle, which only the file knows.
        late = await other.spend("a", at=NOON + 8 * SECOND)
        await one.claim(End("b", "revoked", "operator:ada"))
        gone = [await each.spend("b", "a") for each in (one, other)]
    assert said == [""] * 5
    assert late == "grant_spent: grant a: no uses are left"
    assert gone == ["grant_over: grant b: it was revoked or completed"] * 2


async def test_what_somebody_else_keeps_in_use_is_not_idle(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with purse(path, grant("a", idle=5)) as one, purse(path, start=1_000) as other:
        assert await other.spend("a") == ""
        # So long alone that it does not look first any more.
        for _ in range(ledger.ALERT + 2):
            await other.spend("a")
        assert await one.spend("a", at=NOON + 4 * SECOND) == ""
        assert await other.spend("a", at=NOON + 8 * SECOND) == ""
        await one.claim(End("a", "completed", ""))
        assert await other.spend("a", at=NOON + 9 * SECOND) != ""


async def test_a_batch_that_is_refused_leaves_no_trace_in_memory_either(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    root = grant("a", uses=9)
    async with purse(path, root, grant("b", root, writes=2, bytes=50)) as one:
        said = await asyncio.gather(
            *(one.spend("b", "a", writes=n % 2, size=10 * (n % 3)) for n in range(12))
        )
        claims = (
            Give(grant("late", root)),
            Spend(("late", "a"), 0, 0, NOON),
            End("gone", "revoked", ""),
        )
        line = record.noted(call_record("act-late"), NOON, {}, claims)
        with pytest.raises(Refused, match="no grant gone is in force"):
            await one.journal.append(line).sealed()
        assert await one.spend("late", "a") == "grant_over: grant late: there is no such grant"
        in_memory = one.standing("a"), one.standing("b")
        ways = [await one.spend("b", "a"), await one.spend("a", at=NOON + 1)]
    async with purse(path, start=1_000) as again:
        reopened = again.standing("a"), again.standing("b")
    assert [bool(why) for why in said].count(False) == in_memory[0].used == in_memory[1].used
    assert sum(not why for why in ways) == reopened[0].used - in_memory[0].used
    assert (reopened[0].uses, reopened[1].uses) == (9 - reopened[0].used, None)


async def test_folded_at_every_line_or_never_the_purses_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = grant("a", uses=500, per_minute=6_000, burst=50)
    left = []
    for lines, most in ((1, 1), (7, 2), (10**6, 10**6)):
        monkeypatch.setattr(ledger, "LINES", lines)
        monkeypatch.setattr(ledger, "MOST", most)
        path = tmp_path / f"{lines}" / "journal.db"
        async with purse(path, root, grant("b", root, bytes=300), grant("o")) as one:
            for n in range(20):
                chains = [("b", "a"), ("a",), ("o",)]
                await asyncio.gather(*(one.spend(*c, size=n, at=NOON + n) for c in chains))
            held = len(one.journal._file._ledger._purses)
            left.append([replace(row, rev=0) for row in one.store.all()])
        with closing(sqlite3.connect(path)) as connection:
            [(folded,)] = connection.execute("SELECT seq FROM folded")
            [(last,)] = connection.execute("SELECT max(seq) FROM event")
        assert folded > last - 2 * lines if lines < 10**6 else folded == 0
        assert held <= max(most, 3)
    assert left[0] == left[1] == left[2]
    assert [row.used for row in left[0]] != [0, 0, 0]


async def test_what_is_forgotten_of_calls_gives_no_budget_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with purse(path, grant("a", uses=5)) as one:
        assert [await one.spend("a") for _ in range(3)] == [""] * 3
        lines = [row.seq for row in SqliteReader(path).events(0, 100)]
        for seq in lines:
            await one.claim(Forget("call-1", (seq,)))
        await one.journal.do(lambda c: c.execute("DELETE FROM payload"))
        assert await one.journal.scrub()
        assert one.standing("a").uses == 2
    async with purse(path, start=1_000) as again:
        assert again.standing("a").uses == 2
        assert [bool(await again.spend("a")) for _ in range(3)] == [False, False, True]


async def test_a_process_of_the_version_before_spends_nothing(tmp_path: Path) -> None:
    """It took from a table that says too much by now."""
    path = tmp_path / "journal.db"
    async with purse(path, grant("a", uses=5)) as one:
        await one.spend("a")
        with (
            closing(sqlite3.connect(path)) as older,
            pytest.raises(sqlite3.OperationalError, match="no such table"),
        ):
            older.execute("INSERT INTO purse (place) VALUES (1) ON CONFLICT DO UPDATE SET used = 1")


async def test_a_task_that_ever_had_a_grant_is_known_when_that_is_over(tmp_path: Path) -> None:
    async with purse(tmp_path / "journal.db", grant("a"), grant("b")) as one:
        await one.claim(End("a", "revoked", "operator:ada"))
        whose = [("local", f"agent:{name}", task) for name in "abc" for task in "abc"]
        assert [who for who in whose if one.store.had(*who)] == [whose[0], whose[4]]


async def test_whose_a_name_is_needs_no_grant_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fence waits for the answer, and a journal has every grant there ever was."""
    held = [
        replace(grant("a"), tenant="acme", agent="agent:ann", task="T"),
        replace(grant("b"), tenant="globex", agent="agent:ann", task="U"),
        replace(grant("c"), tenant="initech", agent="agent:ann", task="T"),
    ]
    async with purse(tmp_path / "journal.db", *held) as one:
        await one.claim(End("c", "completed", ""))
        monkeypatch.delattr("gateway.journals.grants._standing")
        assert one.store.tenants("agent", "agent:ann") == {"acme", "globex"}
        assert one.store.tenants("task", "T") == {"acme"}
        assert one.store.tenants("tenant", "globex") == {"globex"}
        assert one.store.tenants("agent", "agent:a") == frozenset()
