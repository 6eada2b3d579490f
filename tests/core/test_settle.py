"""What the journal keeps of an outcome."""

from __future__ import annotations

from gateway.core.model import JsonObject, Outcome
from gateway.core.settle import outcome_body


def kept(result: JsonObject) -> JsonObject:
    return outcome_body(Outcome("ok", result=result), str)


def test_j1_a_result_that_asks_is_on_record_as_one_that_asks() -> None:
    asked: JsonObject = {"resultType": "input_required", "inputRequests": {"secret": {}}}
    assert kept(asked) == {"asked": True}


def test_a_result_itself_is_never_kept() -> None:
    assert kept({"content": [{"type": "text", "text": "secret"}]}) == {}
