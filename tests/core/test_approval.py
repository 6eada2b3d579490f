"""A person's leave: for one call, for a while, and never from who asks for it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.approval import (
    LEAVE_SECONDS,
    MOST_AN_HOUR,
    Leave,
    Stand,
    Ticket,
    Word,
    answer_to,
    decided,
    used,
)
from gateway.core.model import Tier
from gateway.errors import Refused
from gateway.reasons import Reason
from gateway.values import replace
from tests.grants.given import NOON, SECOND

HOUR = 3_600 * SECOND


def ticket(name: str = "t1", **changes: Any) -> Ticket:
    """Asked for at noon by an agent, for ann; open for an hour."""
    plain: dict[str, Any] = {
        "id": name,
        "digest": "pay bob",
        "asked_by": "agent:a",
        "agent": "agent:a",
        "on_behalf_of": "user:ann",
        "tenant": "acme",
        "server": "bank",
        "tier": Tier.ADMIN,
        "created_at": NOON,
        "expires_at": NOON + HOUR,
    }
    return Ticket(**{**plain, **changes})


def window(stand: Stand = "approved", **changes: Any) -> Ticket:
    mine = {"digest": "window", "kind": "window", "asked_by": "operator:bob", "stand": stand}
    return ticket("w1", **{**mine, **changes})


def word(stand: Stand = "approved", **changes: Any) -> Word:
    plain: dict[str, Any] = {"by": "operator:ada", "at": NOON + SECOND, "until": NOON + 60 * SECOND}
    return Word("t1", stand, **{**plain, **changes})


def use(at: int = NOON + 2 * SECOND) -> Leave:
    return Leave("t1", "call1", at)


def no_leave(one: Ticket | None, at: int = NOON + 2 * SECOND) -> str:
    with pytest.raises(Refused) as caught:
        used(one, use(at))
    assert caught.value.reason == Reason.APPROVAL_NEEDED
    return caught.value.detail


def not_said(one: Ticket | None, said: Word) -> str:
    with pytest.raises(Refused) as caught:
        decided(one, said)
    assert caught.value.reason == Reason.APPROVAL_DENIED
    return caught.value.detail


def test_a_leave_serves_one_call() -> None:
    spent = used(decided(ticket(), word()), use())
    assert (spent.stand, spent.used_by) == ("used", "call1")
    assert "it is used" in no_leave(spent)


def test_a_window_serves_every_call_while_it_stands() -> None:
    once = used(window(), use())
    assert used(once, use()).stand == "approved"
    assert "it is expired" in no_leave(once, once.expires_at)


def test_a_leave_ends_when_the_word_that_gave_it_says() -> None:
    given = decided(ticket(), word(until=NOON + 60 * SECOND))
    assert used(given, use(NOON + 60 * SECOND - 1)).stand == "used"
    assert "it is expired" in no_leave(given, NOON + 60 * SECOND)


@pytest.mark.parametrize("stand", ["waiting", "denied", "closed", "used"])
def test_what_was_not_approved_gives_no_leave(stand: Stand) -> None:
    assert f"it is {stand}" in no_leave(ticket(stand=stand))


def test_a_ticket_that_is_gone_gives_no_leave_and_takes_no_word() -> None:
    assert "it is gone" in no_leave(None)
    assert "there is none" in not_said(None, word())


@pytest.mark.parametrize(
    ("operator", "on_behalf_of"),
    [
        ("operator:ada", "user:ada"),
        ("operator:ada@example.com", "ada@example.com"),
        ("operator:Ada", "ada"),
        ("operator:user:ada", "user:ada"),
        ("operator:triage", ""),
        ("operator:Triage", ""),
    ],
)
def test_who_asks_or_is_asked_for_gives_no_leave(operator: str, on_behalf_of: str) -> None:
    asked = ticket(asked_by="agent:triage", agent="agent:triage", on_behalf_of=on_behalf_of)
    assert "who asks for it does not give it" in not_said(asked, word(by=operator))


@pytest.mark.parametrize("on_behalf_of", ["", "user:ada", "ada@example.com"])
def test_somebody_else_gives_it(on_behalf_of: str) -> None:
    asked = ticket(asked_by="agent:triage", agent="agent:triage", on_behalf_of=on_behalf_of)
    assert decided(asked, word(by="operator:bob")).stand == "approved"


@pytest.mark.parametrize("by", ["operator:bob", "operator:BOB"])
def test_who_asks_for_a_window_does_not_open_it_and_may_close_it(by: str) -> None:
    assert "does not give it" in not_said(window("waiting"), word(by=by))
    assert decided(window("waiting"), word("denied", by=by)).stand == "denied"
    assert decided(window("approved"), word("closed", by=by)).stand == "closed"


@pytest.mark.parametrize("seconds", [0, -1, LEAVE_SECONDS + 1])
def test_a_leave_holds_for_some_time_and_no_longer_than_it_may(seconds: int) -> None:
    at, until = NOON + SECOND, NOON + SECOND + LEAVE_SECONDS * SECOND
    assert decided(ticket(), word(at=at, until=until)).expires_at == until
    said = not_said(ticket(), word(at=at, until=at + seconds * SECOND))
    assert f"{LEAVE_SECONDS} seconds at most" in said


def test_a_no_stands_as_long_as_its_question_did() -> None:
    denied = decided(ticket(), word("denied", until=NOON + SECOND))
    assert (denied.stand, denied.expires_at) == ("denied", NOON + HOUR)


def test_a_leave_that_is_not_used_can_be_taken_back_and_not_given_again() -> None:
    assert "it is approved" in not_said(ticket(stand="approved"), word())
    denied = decided(ticket(stand="approved"), word("denied"))
    assert denied.stand == "denied"
    assert "it is denied" in not_said(denied, word("approved"))


@pytest.mark.parametrize("stand", ["denied", "used", "closed"])
def test_what_was_answered_is_not_answered_again(stand: Stand) -> None:
    assert f"it is {stand}" in not_said(ticket(stand=stand), word())
    assert f"it is {stand}" in not_said(ticket(stand=stand), word("denied"))


@pytest.mark.parametrize("said", ["approved", "denied"])
def test_a_question_nobody_answered_in_time_is_not_answered_any_more(said: Stand) -> None:
    at = ticket().expires_at
    assert "it has expired" in not_said(ticket(), word(said, at=at, until=at + SECOND))
    assert decided(ticket(), word(said, at=at - 1, until=at + SECOND)).stand == said


def test_a_question_is_answered_by_what_was_said_to_the_same_question() -> None:
    approved = ticket("t2", stand="approved")
    denied = ticket("t3", stand="denied")
    waiting = ticket("t4")
    new = ticket("new")
    assert answer_to(new, [waiting, denied, approved]) is approved
    assert answer_to(new, [waiting, denied]) is denied
    assert answer_to(new, [waiting]) is waiting
    assert answer_to(ticket("new", digest="pay eve"), [waiting, denied, approved]).id == "new"


@pytest.mark.parametrize("stand", ["used", "closed"])
def test_what_is_over_answers_nothing(stand: Stand) -> None:
    assert answer_to(ticket("new"), [ticket(stand=stand)]).id == "new"


@pytest.mark.parametrize("stand", ["approved", "denied", "waiting"])
def test_what_has_expired_answers_nothing(stand: Stand) -> None:
    old = ticket(stand=stand, created_at=NOON - HOUR, expires_at=NOON)
    assert answer_to(ticket("new"), [old]).id == "new"


def test_an_open_window_is_leave_for_every_admin_call_of_its_agent_at_its_server() -> None:
    assert answer_to(ticket("new"), [window()]).id == "w1"
    assert answer_to(ticket("new"), [window(), ticket("t4")]).id == "w1"
    assert answer_to(ticket("new"), [window(), ticket("t3", stand="denied")]).id == "t3"


@pytest.mark.parametrize(
    "other",
    [
        {"server": "files"},
        {"agent": "agent:b"},
        {"tier": Tier.TOOL},
        {"kind": "window", "digest": "another window"},
    ],
    ids=str,
)
def test_a_window_is_leave_for_nothing_else(other: dict[str, Any]) -> None:
    assert answer_to(ticket("new", **other), [window()]).id == "new"


@pytest.mark.parametrize("stand", ["waiting", "denied", "closed"])
def test_a_window_that_is_not_open_is_none(stand: Stand) -> None:
    assert answer_to(ticket("new"), [window(stand)]).id == "new"


def test_nothing_of_another_tenant_answers() -> None:
    known = [ticket(stand="approved", tenant="other"), window(tenant="other")]
    assert answer_to(ticket("new"), known).id == "new"


def test_a_window_is_asked_for_however_much_its_agent_has_asked() -> None:
    """Just then it is wanted."""
    said = [ticket(f"t{number}", digest=f"{number}") for number in range(MOST_AN_HOUR)]
    new = replace(window("waiting"), id="new")
    assert answer_to(new, said).id == "new"
    for stand in ("approved", "waiting"):
        assert answer_to(new, [*said, window(stand)]).id == "w1"


def test_a_window_that_was_denied_can_be_asked_for_again() -> None:
    new = replace(window("waiting"), id="new")
    assert answer_to(new, [window("denied")]).id == "new"
    assert answer_to(new, [window("denied"), replace(window(), id="w2")]).id == "w2"


def test_windows_are_none_of_what_an_agent_asks() -> None:
    asked = [replace(window("waiting"), id=f"w{n}", digest=f"{n}") for n in range(MOST_AN_HOUR)]
    assert answer_to(ticket("new"), asked).id == "new"


def test_an_agent_asks_so_often_an_hour_and_no_more() -> None:
    def asked(many: int, at: int) -> list[Ticket]:
        said = {"stand": "denied", "digest": "another", "created_at": at, "expires_at": NOON}
        return [ticket(f"t{number}", **said) for number in range(many)]

    lately, before = NOON - HOUR + 1, NOON - HOUR
    assert answer_to(ticket("new"), asked(MOST_AN_HOUR, before)).id == "new"
    assert answer_to(ticket("new"), asked(MOST_AN_HOUR - 1, lately)).id == "new"
    with pytest.raises(Refused, match=f"had {MOST_AN_HOUR} tickets in an hour"):
        answer_to(ticket("new"), asked(MOST_AN_HOUR, lately))
