"""A task with several grants: the next that covers a call is asked when one has not enough left for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

from gateway.core.fence import Catchable, Fence
from gateway.core.flow import Passage
from gateway.core.grant import Grant
from gateway.core.model import Answer, Decision, Effect, Obligation, Tier
from gateway.core.reverse import Lease, Level, Reversal, Taking
from gateway.errors import Refused, Where
from gateway.grants.book import GrantBook
from gateway.line.bounds import Bounds
from gateway.pep import Line
from gateway.reasons import Reason
from gateway.values import replace
from tests.free import NoFences
from tests.grants.given import NOON, SECOND, grant
from tests.journals.test_ledger import Purse, purse
from tests.test_pep import Policy, Ready, World, reason


class Fences(NoFences):
    """One grant is fenced, once it is named."""

    fenced: Fence | None = None

    def standing(self) -> tuple[Fence, ...]:
        return (self.fenced,) if self.fenced else ()

    def check(self, caught: Catchable) -> None:
        if self.fenced and caught.caught.by(self.fenced):
            raise Refused(Reason.FENCED, "by ada")


class Granted(World):
    """A Line over a real book and a real purse."""

    def __init__(self, one: Purse, effect: Effect = Effect.WRITE) -> None:
        super().__init__(Policy(effect))
        self.persons = Persons()
        self.fences = Fences()
        book = GrantBook(one.store, lambda: frozenset(Tier), lambda: NOON + SECOND)
        ids = count(1)
        self.line = Line(
            catalogue=self,
            policies=self.policy,
            check=lambda _: self.problem,
            journal=one.journal,
            protector=self.protector,
            servers={"s": self.server},
            reverser=self.reversing,
            bounds=Bounds(book, self.fences),
            pace=self.pace,
            clock=lambda: NOON + SECOND,
            new_call_id=lambda: f"call{next(ids)}",
            approvals=self.persons,
        )


class Persons:
    """They give their leave to every call, and remember under which grant it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def leave(self, call_id: str, *said: Any) -> Passage:
        self.asked.append(said[-1].id)
        return Passage(call_id, frozenset(), None)


def given(name: str, parent: Grant | None = None, **limits: Any) -> Grant:
    one = grant(name, parent, tools=("s/*",), **limits)
    root_task = parent.root_task if parent else "t1"
    return replace(one, agent="agent:a", task="t1", root_task=root_task)


def told(answer: Answer) -> str:
    return "ok" if answer.error is None else reason(answer)


@asynccontextmanager
async def granted(
    path: Path, *grants: Grant, effect: Effect = Effect.WRITE
) -> AsyncIterator[tuple[Purse, Granted]]:
    async with asyncio.timeout(30), purse(path / "journal.db", *grants) as one:
        yield one, Granted(one, effect)


async def test_when_the_first_is_spent_the_next_is(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", uses=1), given("g2", uses=2)) as (one, world):
        said = [told(await world.call()) for _ in range(4)]
        used = [one.standing(name).used for name in ("g1", "g2")]
    assert said == ["ok", "ok", "ok", "grant_spent"]
    assert used == [1, 2]
    assert len(world.server.got) == 3


async def test_a_read_too_is_made_under_the_next(tmp_path: Path) -> None:
    grants = given("g1", uses=1), given("g2", uses=1)
    async with granted(tmp_path, *grants, effect=Effect.READ) as (one, world):
        said = [told(await world.call()) for _ in range(3)]
        used = [one.standing(name).used for name in ("g1", "g2")]
    assert (said, used) == (["ok", "ok", "grant_spent"], [1, 1])


async def test_one_that_lay_idle_stands_in_nobodys_way(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", idle=1), given("g2")) as (one, world):
        said = told(await world.call())
        used = [one.standing(name).used for name in ("g1", "g2")]
    assert (said, used) == ("ok", [0, 1])


async def test_what_does_not_cover_the_call_is_not_tried(tmp_path: Path) -> None:
    other = replace(given("g2"), terms=replace(given("g2").terms, tools=("elsewhere/*",)))
    async with granted(tmp_path, given("g1", uses=1), other) as (_, world):
        said = [told(await world.call()) for _ in range(2)]
    assert said == ["ok", "grant_spent"]


async def test_a_fence_before_the_next_holds(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", uses=1), given("g2")) as (one, world):
        first = told(await world.call())
        world.fences.fenced = Fence("grant", "g2", "operator:ada", "", 0)
        second = told(await world.call())
        used = one.standing("g2").used
    assert (first, second, used) == ("ok", "fenced", 0)


async def test_all_is_decided_again_before_the_next(tmp_path: Path) -> None:
    """A rule may have been taken away while the first was asked."""

    class Turning(Policy):
        def decide(self, question: Any) -> Decision:
            self.asked.append(question)
            return self.decision if len(self.asked) < 5 else Decision(False, Reason.NO_RULE)

    async with granted(tmp_path, given("g1", uses=1), given("g2")) as (one, world):
        first = told(await world.call())
        world.policy.__class__ = Turning
        second = told(await world.call())
        asked, used = len(world.policy.asked), one.standing("g2").used
    assert (first, second, used) == ("ok", "not_available", 0), asked


async def test_a_persons_leave_is_for_one_grant_and_asked_for_again_under_the_next(
    tmp_path: Path,
) -> None:
    async with granted(tmp_path, given("g1", uses=1), given("g2")) as (one, world):
        duty = Obligation("approve", "O1", Where("policies/policy.csv", 4))
        world.policy.decision = replace(world.policy.decision, obligations=(duty,))
        said = [told(await world.call()) for _ in range(2)]
        used = [one.standing(name).used for name in ("g1", "g2")]
    assert (said, used) == (["ok", "ok"], [1, 1])
    assert world.persons.asked == ["g1", "g1", "g2"]


async def test_however_many_are_used_up_the_next_is_found(tmp_path: Path) -> None:
    many = [given(f"g{number}", uses=1) for number in range(600)]
    async with granted(tmp_path, *many, given("last", uses=5), effect=Effect.READ) as (one, world):
        for number in range(600):
            await one.spend(f"g{number}")
        said = [told(await world.call()) for _ in range(2)]
        used = one.standing("last").used
    assert (said, used) == (["ok", "ok"], 2)


def free(key: str = "server:/s", epoch: int = 0) -> Ready:
    """A write whose lease would be taken with its intent; no number so low can be had."""
    claim = Taking("call1", Lease(key, epoch), "run", NOON, 0)
    return Ready(Reversal(Level.UNKNOWN), {"undo": {"level": "unknown"}}, (claim,), looks=False)


async def test_a_lease_that_was_not_to_be_had_with_the_intent_is_taken_before_it(
    tmp_path: Path,
) -> None:
    async with granted(tmp_path, given("g1", uses=1)) as (one, world):
        world.reversing.without_a_wait = free()
        said = told(await world.call())
        used, asked = one.standing("g1").used, world.policy.asked
    with closing(sqlite3.connect(tmp_path / "journal.db")) as file:
        lines = file.execute("SELECT kind FROM event WHERE call_id = 'call1'").fetchall()
    assert (said, used, len(world.server.got)) == ("ok", 1, 1)
    assert [question.level for question in asked] == [None, "unknown", None, "exact"]
    assert [asked for _, asked in world.reversing.asked][:2] == ["prepare", "settle ok"]
    assert lines == [("intent",), ("applied",)]


async def test_what_is_to_wait_by_then_is_not_sent(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", uses=1)) as (one, world):
        world.reversing.without_a_wait = free()
        world.reversing.reversal = Reversal(Level.EXACT, hold_seconds=60)
        said, used = told(await world.call()), one.standing("g1").used
    assert (said, used, world.server.got) == ("overloaded", 0, [])


async def test_a_lease_and_a_grant_may_both_not_be_had(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", uses=1), given("g2", uses=1)) as (one, world):
        world.reversing.without_a_wait = free()
        said = [told(await world.call()) for _ in range(3)]
        used = [one.standing(name).used for name in ("g1", "g2")]
    assert (said, used, len(world.server.got)) == (["ok", "ok", "grant_spent"], [1, 1], 2)


async def test_what_was_leased_meanwhile_is_what_the_next_grant_is_asked_with(
    tmp_path: Path,
) -> None:
    """Not what was to be leased before, which is not to be had any more."""
    grants = given("g1", idle=1), given("g2", uses=1), given("g3")
    async with granted(tmp_path, *grants) as (one, world):
        prepare = world.reversing.prepare

        async def slow(call_id: str, classified: Any, secret: bool) -> Ready:
            await one.spend("g2")
            return await prepare(call_id, classified, secret)

        world.reversing.prepare = slow  # type: ignore[method-assign]
        world.reversing.without_a_wait = free()
        said = told(await world.call())
        used = one.standing("g3").used
    assert (said, used) == ("ok", 1)
    assert [asked for _, asked in world.reversing.asked].count("prepare") == 1
