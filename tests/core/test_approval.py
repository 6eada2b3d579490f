from __future__ import annotations

import pytest

from gateway.core.approval import Ticket, Word, objection

NOON = 1_795_000_000_000_000
SECOND = 1_000_000


def said_by(operator: str, agent: str, on_behalf_of: str) -> str:
    """What stands against leave by this operator, of a call of this agent for somebody."""
    ticket = Ticket(
        id="t",
        digest="d",
        asked_by=agent,
        agent=agent,
        on_behalf_of=on_behalf_of,
        tenant="local",
        server="git",
        tier="tool",
        created_at=NOON,
        expires_at=NOON + 60 * SECOND,
    )
    return objection(ticket, Word("t", "approved", operator, NOON, NOON + SECOND))


@pytest.mark.parametrize(
    ("operator", "on_behalf_of"),
    [
        ("operator:ada", "user:ada"),
        ("operator:ada@example.com", "ada@example.com"),
        ("operator:Ada", "ada"),
        ("operator:user:ada", "user:ada"),
        ("operator:triage", ""),
    ],
)
def test_who_asks_or_is_asked_for_gives_no_leave(operator: str, on_behalf_of: str) -> None:
    assert said_by(operator, "agent:triage", on_behalf_of) == "who asks for it does not give it"


@pytest.mark.parametrize("on_behalf_of", ["", "user:ada", "ada@example.com"])
def test_somebody_else_gives_it(on_behalf_of: str) -> None:
    assert said_by("operator:bob", "agent:triage", on_behalf_of) == ""
