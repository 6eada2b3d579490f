"""A person's leave on the Line: asked for where a rule wants it, once, and all is decided again after it."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.approvals.asking import Asking
from gateway.core import record
from gateway.core.act import of_act
from gateway.core.approval import Leave, Word
from gateway.core.flow import Passage
from gateway.core.model import (
    Answer,
    Classified,
    ClientFacts,
    Decision,
    Effect,
    Endpoint,
    Era,
    Flow,
    Obligation,
    Request,
    Target,
)
from gateway.core.reverse import Level
from gateway.errors import Refused
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.line import holding
from gateway.line.bounds import Bounds
from gateway.line.holding import Waiting
from gateway.reasons import Reason
from gateway.values import replace
from tests.free import Deaf, NoFences
from tests.line.test_bounds import Remembering
from tests.line.test_several import given, granted, told
from tests.test_pep import ALLOWED, RULE, WHO, Policy, World, reason

APPROVE = replace(ALLOWED, obligations=(Obligation("approve", "O1", RULE),))
HELD = replace(APPROVE, obligations=(*APPROVE.obligations, Obligation("hold", "O2", RULE, 60)))


class Persons:
    """They give their leave, and remember for which calls; `meanwhile` is what happens while they think."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.no: Refused | None = None

    async def leave(self, call_id: str, *said: Any) -> Passage:
        self.asked.append(call_id)
        if self.no is not None:
            raise self.no
        self.meanwhile()
        return Passage(call_id, frozenset(), None)

    def meanwhile(self) -> None:
        return


def world_of(decision: Decision, effect: Effect = Effect.WRITE) -> tuple[World, Persons]:
    persons = Persons()
    return World(Policy(effect, decision=decision), approvals=persons), persons


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_nobody_is_asked_for_what_no_rule_wants_asked(effect: Effect) -> None:
    world, persons = world_of(ALLOWED, effect)
    assert (await world.call()).error is None
    assert persons.asked == []


@pytest.mark.parametrize("effect", [Effect.READ, Effect.WRITE])
async def test_a_call_goes_on_once_a_person_has_given_leave(effect: Effect) -> None:
    world, persons = world_of(APPROVE, effect)
    assert (await world.call()).error is None
    assert persons.asked == ["call1"]
    assert len(world.server.got) == 1


async def test_a_call_without_leave_is_not_forwarded_and_its_resources_are_let_go() -> None:
    world, persons = world_of(APPROVE)
    persons.no = Refused(Reason.APPROVAL_NEEDED, ticket="a ticket")
    answer = await world.call()
    assert answer.result is not None
    assert answer.result["structuredContent"]["ticket"] == "a ticket"
    assert world.server.got == []
    assert world.states() == [("call1", "refused")]
    assert world.reversing.asked[-1] == ("call1", "release")


async def test_what_is_denied_while_a_person_thinks_is_not_forwarded() -> None:
    world, persons = world_of(APPROVE)

    def meanwhile() -> None:
        world.policy.decision = Decision(False, Reason.DENIED_BY_RULE, "D1", RULE)

    persons.meanwhile = meanwhile  # type: ignore[method-assign]
    assert reason(await world.call()) == "not_available"
    assert world.server.got == []


async def test_a_call_that_became_another_while_a_person_thought_is_asked_for_again() -> None:
    world, persons = world_of(APPROVE)
    classify = world.policy.classify

    def elsewhere(resolved: Any) -> Classified:
        return replace(classify(resolved), destination="example.com")

    def meanwhile() -> None:
        world.policy.classify = elsewhere  # type: ignore[method-assign]

    persons.meanwhile = meanwhile  # type: ignore[method-assign]
    assert (await world.call()).error is None
    assert persons.asked == ["call1", "call1"]


@pytest.mark.parametrize("by_window", [True, False])
async def test_only_leave_for_this_very_call_lets_data_out(by_window: bool) -> None:
    """Through a window go calls that nobody has seen."""

    class Egress(Policy):
        def classify(self, resolved: Any) -> Classified:
            return replace(super().classify(resolved), flow=Flow(frozenset(), True, "lax"))

    class Those:
        async def leave(self, call_id: str, *said: Any) -> Leave:
            return Leave("ticket", call_id, 5, by_window)

    grants = Remembering()
    bounds = Bounds(grants, NoFences())
    await World(Egress(decision=APPROVE), bounds=bounds, approvals=Those()).call()
    assert grants.approved == [not by_window]


def waiting(call_id: str, grant: str = "", **bound: Any) -> Waiting:
    """The call of `World.call`, once it was held with leave."""
    params = {"name": "s__t", "arguments": {"x": 1}}
    client = ClientFacts("2026-07-28")
    request = Request(Endpoint("all"), WHO, Era.STATELESS, 1, "tools/call", params, client)
    fulfilled = frozenset({"approve", "hold"})
    target = Target("s", "tool", "t")
    return Waiting(call_id, request, target, grant, fulfilled, bound or None, 5, "")


async def sent(world: World, call_id: str, grant: str = "", **bound: Any) -> Answer:
    async with asyncio.timeout(20):
        return await world.line.send(waiting(call_id, grant, **bound), Deaf())


async def test_a_held_call_has_its_leave_when_it_is_held_and_needs_no_other_when_it_is_sent() -> (
    None
):
    world, persons = world_of(HELD)
    said = await world.call()
    assert (world.states(), persons.asked) == ([("call1", "held")], ["call1"])
    answer = await sent(world, "call1")
    assert (said.error, answer.error) == (None, None)
    assert persons.asked == ["call1"]
    assert len(world.server.got) == 1


async def approved(world: World, journal: SqliteJournal) -> str:
    """The ticket of `World.call`, to which a person has said yes."""
    first = await world.call()
    assert first.result is not None
    ticket: str = first.result["structuredContent"]["ticket"]
    word = Word(ticket, "approved", "operator:ada", 6, 60_000_000)
    entry = of_act("act", "operator:ada", "approvals/approved", tenant="local")
    await journal.append(record.noted(entry, 6, {}, (word,))).sealed()
    return ticket


@pytest.mark.parametrize(("decision", "became"), [(APPROVE, "ok"), (HELD, "held")])
async def test_leave_is_used_up_by_the_first_line_of_the_call_that_has_it_and_names_it(
    decision: Decision, became: str, tmp_path: Path
) -> None:
    """Else a second call could be sent, or held, with it."""
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    tickets = journal.tickets()
    asking = Asking(tickets, Protector.open(tmp_path), lambda: 5)
    world = World(Policy(decision=decision), approvals=asking, journal=journal)
    async with asyncio.timeout(30):
        ticket = await approved(world, journal)
        states = [said(await world.call()), said(await world.call())]
        found = await tickets.find(ticket)
        await journal.aclose()
    with closing(SqliteReader(tmp_path / "journal.db")) as reader:
        assert json.loads(reader.lines("call2")[0].body)["body"]["ticket"] == ticket
    assert states == [became, "approval_needed"]
    assert found is not None
    assert (found.stand, found.used_by) == ("used", "call2")
    assert len(world.server.got) == (1 if became == "ok" else 0)


async def test_of_two_at_once_with_one_leave_the_other_hears_the_ticket_and_no_more(
    tmp_path: Path,
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    asking = Asking(journal.tickets(), Protector.open(tmp_path), lambda: 5)
    world = World(Policy(decision=APPROVE), approvals=asking, journal=journal)
    async with asyncio.timeout(30):
        await approved(world, journal)
        answers = await asyncio.gather(world.call(), world.call())
        await journal.aclose()
    [other] = [answer for answer in answers if said(answer) != "ok"]
    assert (said(other), len(world.server.got)) == ("approval_needed", 1)
    assert len(other.ticket) == 25


def said(answer: Answer) -> str:
    assert answer.result is not None
    return str(answer.result.get("structuredContent", {"status": "ok"})["status"])


async def test_a_held_call_takes_its_grants_use_when_it_is_sent(tmp_path: Path) -> None:
    async with granted(tmp_path, given("g1", uses=1)) as (one, world):
        world.policy.decision = HELD
        held = [said(await world.call()) for _ in range(2)]
        before = one.standing("g1").used
        answers = [await sent(world, call_id, "g1") for call_id in ("call1", "call2")]
        after = one.standing("g1").used
    assert (held, before, after) == (["held", "held"], 0, 1)
    assert [told(answer) for answer in answers] == ["ok", "grant_spent"]
    assert len(world.server.got) == 1


async def test_a_held_call_waits_on_while_the_rate_of_its_grant_has_no_room(tmp_path: Path) -> None:
    """Its agent was told that it will be sent, and hears of it no more."""
    async with granted(tmp_path, given("g1", per_minute=1)) as (_, world):
        world.policy.decision = HELD
        held = [said(await world.call()) for _ in range(2)]
        answers = [await sent(world, call_id, "g1") for call_id in ("call1", "call2")]
        with closing(SqliteReader(tmp_path / "journal.db")) as reader:
            rows = [reader.call(call_id) for call_id in ("call1", "call2")]
    assert held == ["held", "held"]
    assert [told(answer) for answer in answers] == ["ok", "grant_spent"]
    assert [row and row.state for row in rows] == ["applied", "held"]


@pytest.mark.parametrize("was_under", ["g1", ""])
async def test_a_held_call_is_sent_under_what_it_was_held_under_or_not_at_all(
    was_under: str, tmp_path: Path
) -> None:
    """Its first line names the grant: what a warrant says, and what `contain --grant` finds it by."""
    async with granted(tmp_path, given("g2")) as (one, world):
        world.policy.decision = HELD
        await world.call()
        answer = await sent(world, "call1", was_under)
        used = one.standing("g2").used
    assert (told(answer), used) == ("grant_over", 0)
    assert world.server.got == []


def kept(world: World) -> Waiting:
    """The held call, as its line has it."""
    [line] = [event for event in world.journal.memory.events if event.kind is record.State.HELD]
    body = json.loads(line.body)["body"]
    target = Target("s", "tool", "t")
    return holding.waiting(line.call_id, target, "", [body], world.protector.unseal)


async def test_a_call_that_was_held_by_a_window_is_asked_for_again_when_it_is_sent() -> None:
    """Fifteen minutes are fifteen minutes, however long a rule holds calls."""
    world, persons = world_of(HELD)
    await world.call()
    persons.no = Refused(Reason.APPROVAL_NEEDED, ticket="a ticket")
    held = replace(kept(world), fulfilled=frozenset({"approve", "hold", "window"}))
    async with asyncio.timeout(20):
        answer = await world.line.send(held, Deaf())
    assert (said(answer), persons.asked) == ("approval_needed", ["call1", "call1"])
    assert world.server.got == []


@pytest.mark.parametrize(("level", "asked"), [(Level.EXACT, 1), (Level.NONE, 2)])
async def test_leave_for_a_held_call_is_for_none_that_it_becomes_meanwhile(
    level: Level, asked: int
) -> None:
    """It was let go as one that can be undone; at its time it perhaps cannot."""
    world, persons = world_of(HELD)
    await world.call()
    world.reversing.reversal = replace(world.reversing.reversal, level=level)
    async with asyncio.timeout(20):
        answer = await world.line.send(kept(world), Deaf())
    assert (answer.error, persons.asked) == (None, ["call1"] * asked)
