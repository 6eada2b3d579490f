"""Who may ask for what at the counter. The grants are real ones in a real journal; the policy says what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gateway.core.grant import Grant, Standing
from gateway.core.model import AccessRequest, Answer, Decision, JsonObject, Obligation, Tier
from gateway.core.model import WorkloadIdentity as Who
from gateway.errors import Refused
from gateway.grant_ports import GrantAct
from gateway.grants.book import GrantBook
from gateway.grants.counter import Counter
from gateway.grants.office import Office
from gateway.journals.protect import Protector
from gateway.reasons import Reason
from gateway.values import replace
from tests.grants.given import NOON, SECOND, call, grant, terms
from tests.journals.test_ledger import Purse, purse
from tests.test_pep import ALLOWED, RULE, Policy

ORLA = call("orla").resolved.request.identity
ANN = call("ann").resolved.request.identity
NEW: dict[str, Any] = {"agent": "agent:ann", "task": "new", "intent": "general"}


class Book(Policy):
    """Permits these tools, and everything while it has no list."""

    tools: frozenset[str] | None = None

    def decide(self, question: AccessRequest) -> Decision:
        self.asked.append(question)
        permitted = self.tools is None or question.tool in self.tools
        return self.decision if permitted else Decision(False, Reason.NO_RULE)


class Hall:
    """A counter, and what is in its books."""

    def __init__(self, one: Purse, protector: Protector) -> None:
        self.one = one
        self.policy = Book()
        self.fenced = False
        ids = count(1)
        office = Office(
            store=one.store,
            journal=one.journal,
            protector=protector,
            ceilings=lambda intent: terms(tiers=frozenset(Tier)) if intent == "general" else None,
            keeps_flow=lambda: True,
            unknown=lambda bounds: "",
            tenant="local",
            clock=lambda: NOON + SECOND,
            new_id=lambda: f"id{next(ids)}",
        )
        book = GrantBook(one.store, frozenset, office.clock)
        self.counter = Counter(
            office=office, policies=self.policy, admit=self._admit, given=book.all
        )

    def _admit(self, identity: Who) -> None:
        if self.fenced:
            raise Refused(Reason.FENCED, "by ada")

    async def ask(self, who: Who, verb: Any, grant: str = "", **said: Any) -> Answer:
        return await self.counter.act(who, GrantAct(verb, grant, said))

    async def told(self, who: Who, verb: Any, grant: str = "", **said: Any) -> str:
        """ "ok", or why not."""
        answer = await self.ask(who, verb, grant, **said)
        return "ok" if answer.error is None else str(answer.error.data["reason"])

    async def shown(self, who: Who) -> set[str]:
        answer = await self.ask(who, "list")
        assert answer.result is not None
        return {each["id"] for each in answer.result["grants"]}


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with purse(tmp_path / "journal.db") as one:
        yield Hall(one, Protector.open(tmp_path))


async def given(hall: Hall, name: str = "ann", **changes: Any) -> Grant:
    """Ann's, for the task of her name, given by orla."""
    one = replace(grant(name), agent="agent:ann", created_by="agent:orla", **changes)
    await hall.one.give(one)
    return one


def in_result(answer: Answer) -> JsonObject:
    assert answer.error is None and answer.result is not None
    return answer.result


@pytest.mark.parametrize(
    ("token", "asked", "heard"),
    [
        ("", {}, ""),
        ("", {"on_behalf_of": "ann"}, "ann"),
        ("ann", {}, "ann"),
        ("ann", {"on_behalf_of": "ann"}, "ann"),
        ("ann", {"on_behalf_of": "bob"}, None),
        ("ann", {"on_behalf_of": ""}, None),
    ],
)
async def test_who_acts_for_a_person_gives_nothing_for_another(
    hall: Hall, token: str, asked: dict[str, str], heard: str | None
) -> None:
    answer = await hall.ask(replace(ORLA, on_behalf_of=token), "create", **NEW, **asked)
    got = None if answer.error else in_result(answer)["on_behalf_of"]
    assert got == heard
    assert len(hall.one.store.all()) == (0 if heard is None else 1)


async def test_nothing_is_given_in_another_tenant(hall: Hall) -> None:
    assert await hall.told(ORLA, "create", **NEW, tenant="elsewhere") == "not_available"
    assert hall.one.store.all() == []


async def test_a_rule_may_ask_on_whose_behalf_the_token_is(hall: Hall) -> None:
    await hall.told(replace(ORLA, on_behalf_of="user:ada"), "create", **NEW)
    assert [asked.on_behalf_of for asked in hall.policy.asked] == ["user:ada"]


async def test_the_admin_tier_is_asked_about_beside_the_rest(hall: Hall) -> None:
    hall.policy.tools = frozenset({"grants:create"})
    assert await hall.told(ORLA, "create", **NEW, tiers=["admin"]) == "not_available"
    assert await hall.told(ORLA, "create", **NEW, tiers=["data"]) == "ok"
    hall.policy.tools = frozenset({"grants:create", "grants:elevate"})
    assert await hall.told(ORLA, "create", **NEW, tiers=["admin"]) == "ok"


async def test_a_duty_is_a_no_for_nobody_can_be_asked(hall: Hall) -> None:
    hall.policy.decision = replace(ALLOWED, obligations=(Obligation("approve", "O1", RULE),))
    await given(hall)
    assert await hall.told(ORLA, "create", **NEW) == "not_available"
    assert await hall.told(replace(ORLA, agent="agent:eve"), "show", "ann") == "not_available"
    assert await hall.shown(replace(ORLA, agent="agent:eve")) == set()


MAY: dict[str, tuple[Who, set[str]]] = {
    "its holder": (ANN, {"show", "complete"}),
    "its holder, by its name": (replace(ANN, task="other", grant="ann"), {"show", "complete"}),
    "its holder, for whom it is": (replace(ANN, on_behalf_of="user:p"), {"show", "complete"}),
    "its holder, for another": (replace(ANN, on_behalf_of="user:q"), set()),
    "its holder, in another task": (replace(ANN, task="other"), set()),
    "its holder, by the name of another": (replace(ANN, grant="other"), set()),
    "its holder's like in another tenant": (replace(ANN, tenant="other"), set()),
    "who gave it": (ORLA, {"show", "revoke"}),
    "who gave it, in another tenant": (replace(ORLA, tenant="other"), set()),
    "somebody else, in a task of its name": (replace(ANN, agent="agent:eve"), set()),
    "somebody else, by its name": (replace(ANN, agent="agent:eve", grant="ann"), set()),
    "somebody else": (replace(ORLA, agent="agent:eve"), set()),
}


@pytest.mark.parametrize("verb", ["show", "revoke", "complete"])
@pytest.mark.parametrize("who", MAY)
async def test_without_a_rule_only_who_holds_or_gave_it_may(
    hall: Hall, who: str, verb: str
) -> None:
    identity, may = MAY[who]
    hall.policy.tools = frozenset()
    await given(hall, on_behalf_of="user:p")
    heard = await hall.told(identity, verb, "ann")
    ends = {"revoke": "revoked", "complete": "completed"}
    assert heard == ("ok" if verb in may else "not_available")
    after = hall.one.standing("ann").state
    assert after == (ends.get(verb, "active") if verb in may else "active")


@pytest.mark.parametrize("who", MAY)
async def test_without_a_rule_a_list_has_what_its_caller_holds_or_gave(
    hall: Hall, who: str
) -> None:
    identity, may = MAY[who]
    hall.policy.tools = frozenset()
    await given(hall, on_behalf_of="user:p")
    assert await hall.shown(identity) == ({"ann"} if may else set())


async def test_a_list_reads_no_grant_that_its_caller_is_not_shown(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody's calls wait while it reads: of ten thousand others' for a second, for whoever may not see one."""
    hall.policy.tools = frozenset()
    await given(hall)
    for name in ("b", "c"):
        await hall.one.give(grant(name))
    hall.counter.given()
    read, find = list[str](), hall.one.store.find

    def found(name: str) -> Standing | None:
        read.append(name)
        return find(name)

    monkeypatch.setattr(hall.one.store, "find", found)
    monkeypatch.setattr(hall.one.store, "all", None)
    assert await hall.shown(ANN) == {"ann"}
    assert read == ["ann"]


async def test_with_a_rule_whoever_it_names_may_in_its_tenant(hall: Hall) -> None:
    eve = replace(ORLA, agent="agent:eve")
    await given(hall)
    assert await hall.shown(eve) == {"ann"}
    assert await hall.shown(replace(eve, tenant="other")) == set()
    assert await hall.told(replace(eve, tenant="other"), "revoke", "ann") == "not_available"
    assert await hall.told(eve, "revoke", "ann") == "ok"
    assert await hall.shown(eve) == set()
    asked = {(q.subject, q.server, q.tier, q.intent) for q in hall.policy.asked}
    assert asked == {("agent:eve", "bulkhead", Tier.ADMIN, "general")}


@pytest.mark.parametrize("who", ["its holder", "who gave it", "somebody else"])
async def test_only_its_holder_hands_it_on_and_only_by_a_rule(hall: Hall, who: str) -> None:
    identity, _ = MAY[who]
    said = {"agent": "agent:bob", "task": "part"}
    await given(hall)
    by_rule = await hall.told(identity, "delegate", "ann", **said)
    hall.policy.tools = frozenset()
    assert await hall.told(identity, "delegate", "ann", **said) == "not_available"
    assert by_rule == ("ok" if who == "its holder" else "not_available")


async def test_what_is_not_there_and_what_may_not_be_known_sound_the_same(hall: Hall) -> None:
    hall.policy.tools = frozenset()
    await given(hall)
    eve = replace(ORLA, agent="agent:eve")
    hidden, none = await hall.ask(eve, "show", "ann"), await hall.ask(eve, "show", "nowhere")
    assert hidden.error is not None and none.error is not None
    assert (hidden.http_status, hidden.error.code, hidden.error.message) == (
        none.http_status,
        none.error.code,
        none.error.message,
    )


async def test_who_is_fenced_hears_only_that(hall: Hall) -> None:
    await given(hall)
    hall.fenced = True
    for verb in ("create", "list", "show", "revoke", "complete", "delegate"):
        assert await hall.told(ANN, verb, "ann") == "fenced"
    assert hall.one.standing("ann").state == "active"


@pytest.mark.parametrize("said", [{"why": 1}, {"why": "done", "state": "active"}])
async def test_an_end_is_told_why_and_nothing_else(hall: Hall, said: dict[str, Any]) -> None:
    await given(hall)
    assert await hall.told(ANN, "complete", "ann", **said) == "invalid_arguments"
    assert hall.one.standing("ann").state == "active"
