"""The ticket a call must wait with: the same for the same call, another for every other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.approvals.asking import Asking
from gateway.core import record
from gateway.core.act import of_act
from gateway.core.approval import DUTY, MOST_WAITING, Word, objection
from gateway.core.decide import Decided
from gateway.core.grant import Grant
from gateway.core.model import Classified, Decision, Effect, JsonObject, Obligation
from gateway.core.reverse import Level, Reversal
from gateway.errors import Refused
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.reasons import Reason
from gateway.values import replace
from tests.grants.given import HERE, NOON, SECOND, call, grant

DUTIES = (Obligation(DUTY, "A1", HERE),)
EXACT = Reversal(Level.EXACT, guard="cas", why="a case")
PAY = call("a", "pay", effect=Effect.WRITE, arguments={"to": "bob", "sum": 10})


def decided(one: Classified) -> Decided:
    return Decided(one, Decision(True, Reason.ALLOWED_BY_RULE, "P1", HERE, obligations=DUTIES))


class Desk:
    """One person's tickets, asked for by real digests."""

    def __init__(self, journal: SqliteJournal, protector: Protector) -> None:
        self.journal = journal
        self.tickets = journal.tickets()
        self.asking = Asking(self.tickets, protector, lambda: NOON)

    async def ticket(
        self, one: Classified, level: Reversal = EXACT, grant: Grant | None = None
    ) -> str:
        """What the agent hears: nobody has answered yet."""
        with pytest.raises(Refused) as caught:
            await self.asking.leave("call1", decided(one), level, {}, grant)
        assert caught.value.reason == Reason.APPROVAL_NEEDED
        return caught.value.detail


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    yield Desk(journal, Protector.open(tmp_path))
    await journal.aclose()


async def test_the_same_call_has_the_same_ticket(desk: Desk) -> None:
    assert await desk.ticket(PAY) == await desk.ticket(PAY)


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"to": "bob", "sum": 11}},
        {"arguments": {"to": "eve", "sum": 10}},
        {"arguments": {}},
        {"tool": "pay_all"},
        {"server": "bank"},
        {"destination": "internet"},
        {"intent": "refund"},
        {"task": "another"},
        {"principal": "ann"},
    ],
    ids=str,
)
async def test_a_call_that_is_not_the_same_has_another(other: dict[str, Any], desk: Desk) -> None:
    said: dict[str, Any] = {
        "tool": "pay",
        "effect": Effect.WRITE,
        "arguments": {"to": "bob", "sum": 10},
        **other,
    }
    assert await desk.ticket(PAY) != await desk.ticket(call("a", **said))


async def test_under_another_grant_or_undone_in_another_way_it_is_another(desk: Desk) -> None:
    weaker = Reversal(Level.COMPENSABLE, guard="cas", why="a case")
    tickets = [
        await desk.ticket(PAY),
        await desk.ticket(PAY, weaker),
        await desk.ticket(PAY, EXACT, grant("g1")),
        await desk.ticket(PAY, EXACT, grant("g2")),
    ]
    assert len({*tickets}) == len(tickets)


@pytest.mark.parametrize(
    "brought",
    [
        {"params": {"inputResponses": {"sure": True}}},
        {"params": {"_meta": {"bank.example/account": "b"}}},
        {"params": {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "b"}}}},
        {"extra_headers": (("Mcp-Param-Account", "b"),)},
    ],
    ids=str,
)
async def test_whatever_a_server_may_act_on_is_another_call(
    brought: dict[str, Any], desk: Desk
) -> None:
    assert await desk.ticket(PAY) != await desk.ticket(with_more(PAY, **brought))


@pytest.mark.parametrize(
    "name",
    [
        "progressToken",
        "traceparent",
        "baggage",
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/logLevel",
    ],
)
async def test_what_changes_by_itself_makes_no_other(name: str, desk: Desk) -> None:
    one, other = (with_more(PAY, params={"_meta": {name: said}}) for said in ("1", "2"))
    assert await desk.ticket(one) == await desk.ticket(other)


@pytest.mark.parametrize("named", ["token", "grant"])
async def test_for_whom_it_is_asked_is_told_by_the_token_or_the_grant(
    named: str, desk: Desk
) -> None:
    given = replace(grant("g1"), on_behalf_of="ann")
    one = call("a", "pay", effect=Effect.WRITE, principal="ann" if named == "token" else "")
    name = await desk.ticket(one, EXACT, given if named == "grant" else None)
    found = await desk.tickets.find(name)
    assert found is not None
    assert found.on_behalf_of == "ann"
    assert "does not give it" in objection(found, said_by("operator:ann", name))
    assert objection(found, said_by("operator:ada", name)) == ""


async def test_a_person_who_said_no_is_heard(desk: Desk) -> None:
    name = await desk.ticket(PAY)
    denied = replace(said_by("operator:ada", name), stand="denied")
    entry = of_act("call2", "operator:ada", "approvals/denied", tenant="local")
    await desk.journal.append(record.noted(entry, NOON + SECOND, {}, (denied,))).sealed()
    with pytest.raises(Refused) as caught:
        await desk.asking.leave("call3", decided(PAY), EXACT, {}, None)
    assert (caught.value.reason, caught.value.detail) == (Reason.APPROVAL_DENIED, name)


def said_by(operator: str, ticket: str) -> Word:
    return Word(ticket, "approved", operator, NOON + SECOND, NOON + 60 * SECOND)


def with_more(one: Classified, params: JsonObject | None = None, **more: Any) -> Classified:
    """The same call with this beside its name and arguments."""
    request = replace(one.resolved.request, **more)
    params = {**one.resolved.params, **(params or {})}
    return replace(one, resolved=replace(one.resolved, request=request, params=params))


async def test_an_agent_of_the_same_name_in_another_tenant_leaves_room(desk: Desk) -> None:
    for number in range(MOST_WAITING):
        await desk.ticket(call("a", "pay", effect=Effect.WRITE, arguments={"sum": number}))
    with pytest.raises(Refused, match="10 tickets waiting"):
        await desk.asking.leave("call1", decided(PAY), EXACT, {}, None)
    assert await desk.ticket(of_tenant(PAY, "other"))


def of_tenant(one: Classified, tenant: str) -> Classified:
    request = one.resolved.request
    moved = replace(request, identity=replace(request.identity, tenant=tenant))
    return replace(one, resolved=replace(one.resolved, request=moved))
