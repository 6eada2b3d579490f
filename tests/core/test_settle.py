"""What the journal keeps of an outcome, and what the agent is told of it."""

from __future__ import annotations

import pytest

from gateway.core.model import JsonObject, Outcome, RpcError
from gateway.core.settle import GATEWAY_ERRORS, answered, not_forwarded, outcome_body, refused
from gateway.errors import Refused
from gateway.reasons import Reason
from tests.catalogue.offering import asks


def kept(result: JsonObject) -> JsonObject:
    return outcome_body(Outcome("ok", result=result), str)


def test_j1_a_result_that_asks_is_on_record_as_one_that_asks() -> None:
    asked: JsonObject = {"resultType": "input_required", "inputRequests": {"secret": {}}}
    assert kept(asked) == {"asked": True}


def test_a_result_itself_is_never_kept() -> None:
    assert kept({"content": [{"type": "text", "text": "secret"}]}) == {}


CALL = asks("tools/call", {})
OURS = (Reason.SERVER_UNAVAILABLE, Reason.OVERLOADED, Reason.CREDENTIAL_UNAVAILABLE)


@pytest.mark.parametrize("reason", OURS)
def test_what_was_not_forwarded_is_told_with_its_status_and_its_call(reason: Reason) -> None:
    code, status, message = GATEWAY_ERRORS[reason]
    answer = answered(CALL, not_forwarded("files", reason, "it answered HTTP 403"), "call-7")
    data = {"server": "files", "reason": str(reason), "call": "call-7"}
    assert answer.error == RpcError(code, message, data, has_data=True)
    assert answer.http_status == status


def test_why_it_was_not_forwarded_is_on_record_and_not_told() -> None:
    outcome = not_forwarded("files", Reason.SERVER_UNAVAILABLE, "it answered HTTP 403")
    assert outcome_body(outcome, str)["detail"] == "tool server files: it answered HTTP 403"
    assert "403" not in str(answered(CALL, outcome, "call-7"))


def test_an_error_of_the_servers_own_is_told_word_for_word() -> None:
    said = RpcError(1002, "mine", {"reason": "fenced"}, has_data=True)
    answer = answered(CALL, Outcome("rejected", error=said), "call-7")
    assert (answer.error, answer.http_status) == (said, 200)
    assert outcome_body(Outcome("rejected", error=said), str) == {"code": 1002, "message": "mine"}


def test_a_secret_goes_before_the_words_it_stands_in_are_cut() -> None:
    text = "x" * 496 + "long-secret" + "y" * 10_000
    for outcome in (Outcome("rejected", error=RpcError(1, text)), Outcome("in_doubt", detail=text)):
        body = outcome_body(outcome, lambda said: said.replace("long-secret", "[it]"))
        assert ("x" * 496 + "[it]") in body.values()


@pytest.mark.parametrize("shaped", [False, True])
def test_a_call_that_waits_is_told_in_words_and_as_data_where_the_tool_promised_no_other(
    shaped: bool,
) -> None:
    ticket = "t" * 25
    no = Refused(Reason.APPROVAL_NEEDED, f"{ticket} (it is expired)", ticket=ticket)
    result = refused(CALL, no, "call-7", shaped).result or {}
    said = {"status": "approval_needed", "ticket": ticket, "call_id": "call-7"}
    assert (result["isError"], ticket in result["content"][0]["text"]) == (True, True)
    assert result.get("structuredContent") == (None if shaped else said)
