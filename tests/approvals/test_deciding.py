"""What an operator says to a ticket: as the policy lets it, on record, durable with it or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from gateway.approvals.asking import Asking
from gateway.approvals.deciding import Deciding
from gateway.core.approval import DUTY, LEAVE_SECONDS, Ticket
from gateway.core.model import Decision, Effect, Obligation, Tier
from gateway.errors import JournalError, Refused
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.reasons import Reason
from gateway.values import replace
from tests.approvals.test_asking import EXACT, PAY, decided
from tests.grants.given import NOON, SECOND
from tests.test_pep import ALLOWED, RULE, Policy


class Office:
    """Agents ask, operators answer, over one journal. `now` is everybody's time."""

    def __init__(self, path: Path, journal: SqliteJournal, protector: Protector) -> None:
        self.path = path
        self.journal = journal
        self.policy = Policy()
        self.now = NOON
        ids = count(1)
        self.tickets = journal.tickets()
        self.asking = Asking(self.tickets, protector, lambda: self.now)
        self.desk = Deciding(
            journal=journal,
            tickets=self.tickets,
            policies=self.policy,
            protector=protector,
            clock=lambda: self.now,
            new_call_id=lambda: f"act{next(ids)}",
        )

    async def asked(self) -> Ticket:
        """An agent's call waits for somebody's leave."""
        with pytest.raises(Refused) as caught:
            await self.asking.leave("call1", decided(PAY), EXACT, {}, None)
        return await self.found(caught.value.detail)

    async def found(self, name: str) -> Ticket:
        ticket = await self.tickets.find(name)
        assert ticket is not None
        return ticket

    async def window(self, by: str = "operator:ada") -> Ticket:
        return await self.desk.ask_window(by, "agent:a", "local", "git", "the site is down")

    def rows(self) -> list[tuple[str, str, str]]:
        """Who did what to which tool."""
        with closing(SqliteReader(self.path)) as reader:
            records = [reader.call(f"act{number}") for number in range(1, 5)]
        return [(row.record.agent, row.record.method, row.record.target) for row in records if row]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    path = tmp_path / "journal.db"
    journal = await SqliteJournal.open(path)
    yield Office(path, journal, Protector.open(tmp_path))
    await journal.aclose()


async def refused(office: Office, ticket: Ticket, by: str = "operator:ada") -> Refused:
    with pytest.raises(Refused) as caught:
        await office.desk.say(ticket, by, "approved", 60)
    assert (await office.found(ticket.id)).stand == "waiting"
    assert office.rows() == []
    return caught.value


async def test_what_an_operator_says_stands_and_is_on_record(office: Office) -> None:
    ticket = await office.asked()
    office.now += SECOND
    told = await office.desk.say(ticket, "operator:ada", "approved", 60, "as agreed")
    assert await office.found(ticket.id) == told
    assert (told.stand, told.decided_by, told.said) == ("approved", "operator:ada", "as agreed")
    assert told.expires_at == office.now + 60 * SECOND
    assert office.rows() == [("operator:ada", "approvals/approved", "approve:pay")]


async def test_the_policy_is_asked_about_the_operator_and_not_about_the_agent(
    office: Office,
) -> None:
    await office.desk.say(await office.asked(), "operator:ada", "denied")
    [asked] = office.policy.asked
    said = (asked.subject, asked.tier, asked.intent, asked.server, asked.tool)
    assert said == ("operator:ada", Tier.ADMIN, "approve", "git", "approve:pay")
    assert (asked.tenant, asked.arguments) == ("local", {"to": "bob", "sum": 10})


async def test_an_operator_without_the_right_says_nothing(office: Office) -> None:
    ticket = await office.asked()
    office.policy.decision = Decision(False, Reason.NO_RULE)
    assert (await refused(office, ticket)).reason is Reason.NO_RULE


async def test_who_asks_says_nothing(office: Office) -> None:
    assert (await refused(office, await office.asked(), "operator:a")).reason is (
        Reason.APPROVAL_DENIED
    )


async def test_a_word_that_wants_leave_itself_is_said_all_the_same(office: Office) -> None:
    ticket = await office.asked()
    office.policy.decision = replace(ALLOWED, obligations=(Obligation(DUTY, "O1", RULE),))
    assert (await office.desk.say(ticket, "operator:ada", "approved", 60)).stand == "approved"


async def test_a_word_that_is_to_be_held_is_not_said(office: Office) -> None:
    """Nobody would send it."""
    ticket = await office.asked()
    office.policy.decision = replace(ALLOWED, obligations=(Obligation("hold", "O1", RULE, 60),))
    assert (await refused(office, ticket)).reason is Reason.DENIED_BY_RULE


async def test_of_two_who_answer_at_once_one_is_heard(office: Office) -> None:
    ticket = await office.asked()
    await office.desk.say(ticket, "operator:ada", "denied")
    with pytest.raises(Refused) as caught:
        await office.desk.say(ticket, "operator:bob", "approved", 60)  # bob still sees it wait
    assert caught.value.reason is Reason.APPROVAL_DENIED
    assert (await office.found(ticket.id)).decided_by == "operator:ada"
    assert office.rows() == [("operator:ada", "approvals/denied", "approve:pay")]


async def test_a_word_that_cannot_be_recorded_is_not_said(office: Office) -> None:
    ticket = await office.asked()
    await office.journal.aclose()
    with pytest.raises(JournalError):
        await office.desk.say(ticket, "operator:ada", "approved", 60)
    assert (await office.found(ticket.id)).stand == "waiting"


async def test_a_window_is_asked_for_by_one_person_and_opened_by_another(office: Office) -> None:
    window = await office.window()
    with pytest.raises(Refused, match="does not give it"):
        await office.desk.say(window, "operator:ada", "approved", LEAVE_SECONDS)
    await office.desk.say(window, "operator:bob", "approved", LEAVE_SECONDS)
    leave = await office.asking.leave(
        "call1", decided(replace(PAY, tier=Tier.ADMIN, effect=Effect.DESTROY)), EXACT, {}, None
    )
    assert getattr(leave, "ticket", "") == window.id
    assert [asked.tool for asked in office.policy.asked] == ["break-glass:open"] * 3
    assert [row[:2] for row in office.rows()] == [
        ("operator:ada", "approvals/waiting"),
        ("operator:bob", "approvals/approved"),
    ]


async def test_a_window_that_is_there_already_is_not_asked_for_again(office: Office) -> None:
    window = await office.window()
    with pytest.raises(Refused, match=f"{window.id} is waiting already"):
        await office.window("operator:bob")


async def test_who_may_not_open_a_window_does_not_ask_for_one(office: Office) -> None:
    office.policy.decision = Decision(False, Reason.NO_RULE)
    with pytest.raises(Refused):
        await office.window()
    assert await office.tickets.since(0) == []
    assert office.rows() == []
