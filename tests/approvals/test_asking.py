"""The ticket a call must wait with: the same for the same call, another for every other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.approvals.asking import Asking
from gateway.core.approval import DUTY, MOST_WAITING
from gateway.core.decide import Decided
from gateway.core.grant import Grant
from gateway.core.model import Classified, Decision, Effect, Obligation
from gateway.core.reverse import Level, Reversal
from gateway.errors import Refused
from gateway.journals.protect import Protector
from gateway.journals.sqlite import SqliteJournal
from gateway.reasons import Reason
from gateway.values import replace
from tests.grants.given import HERE, NOON, call, grant

DUTIES = (Obligation(DUTY, "A1", HERE),)
EXACT = Reversal(Level.EXACT, guard="cas", why="a case")
PAY = call("a", "pay", effect=Effect.WRITE, arguments={"to": "bob", "sum": 10})


def decided(one: Classified) -> Decided:
    return Decided(one, Decision(True, Reason.ALLOWED_BY_RULE, "P1", HERE, obligations=DUTIES))


class Desk:
    """One person's tickets, asked for by real digests."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking

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
    yield Desk(Asking(journal.tickets(), Protector.open(tmp_path), lambda: NOON))
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
