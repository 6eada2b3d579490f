from __future__ import annotations

from typing import Any

import pytest

from gateway.core.model import Answer, ClientFacts, Era, JsonObject, Request
from gateway.core.visiting import MARK, invited, returned
from gateway.values import replace
from tests.catalogue.offering import asks

LINKS: JsonObject = {"elicitation": {"url": {}}}
WAITING = Answer({"isError": True}, ticket="t" * 25)


def request(capabilities: JsonObject = LINKS, era: Era = Era.STATELESS, **params: Any) -> Request:
    facts = ClientFacts("2026-07-28", capabilities)
    asked = asks("tools/call", {"name": "s__t", "arguments": {}, **params})
    return replace(asked, era=era, client=facts)


def test_a_client_that_shows_links_gets_one() -> None:
    result = invited(request(), WAITING, "https://gw.example").result
    assert result is not None
    (question,) = result["inputRequests"].values()
    assert question["params"]["url"] == f"https://gw.example/approvals/{'t' * 25}"
    assert (result["resultType"], result["requestState"]) == (
        "input_required",
        MARK + "t" * 25,
    )


@pytest.mark.parametrize(
    "one",
    [
        request({}),
        request({"elicitation": {}}),
        request({"elicitation": {"form": {}}}),
        request({"elicitation": "url"}),
        request(era=Era.SESSIONS),
        request(requestState="the server's own"),
        request(inputResponses={}),
        replace(request(), method="prompts/get"),
    ],
)
def test_any_other_reads_its_ticket(one: Request) -> None:
    assert invited(one, WAITING, "https://gw.example") is WAITING


def test_an_answer_without_a_ticket_of_ours_is_left_alone() -> None:
    """A tool server may say whatever it likes in a result."""
    lied = Answer({"structuredContent": {"status": "approval_needed", "ticket": "t" * 25}})
    assert invited(request(), lied, "https://gw.example") is lied


def test_what_comes_again_is_the_call_it_was_and_its_answers_are_nobodys() -> None:
    answers = {"approval": {"action": "accept"}}
    again = returned(request(requestState=MARK + "x", inputResponses=answers))
    assert again.params == {"name": "s__t", "arguments": {}}


@pytest.mark.parametrize("state", ["other", 7, None, "x" + MARK])
def test_another_ones_state_goes_on_as_it_is(state: Any) -> None:
    one = request(requestState=state, inputResponses={})
    assert returned(one) is one
