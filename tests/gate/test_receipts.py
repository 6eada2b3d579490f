"""A host hears the id of its call; the warrant when it asks and may; at a transparent endpoint nothing unasked."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.model import Answer, Endpoint, JsonObject, Request, RpcError
from gateway.gate.receipts import CALL, WARRANT, Receipts
from tests.catalogue.offering import ALL, asks, at

SERVER = at("git")
ASKING = {"name": "x", "_meta": {WARRANT: True}}


class Papers:
    """Gives a warrant of every call."""

    async def of(self, call_id: str) -> JsonObject | None:
        return {"warrant": call_id}


def asked(params: Any = None, endpoint: Endpoint = ALL, method: str = "tools/call") -> Request:
    return asks(method, params or {"name": "x"}, endpoint)


async def told(request: Request, result: JsonObject, receipts: Receipts, **more: Any) -> Any:
    answer = await receipts.add(request, Answer(result, call_id="c1", **more))
    return answer.result


async def test_a_result_names_its_call_beside_what_the_server_said() -> None:
    result: JsonObject = {"content": [], "_meta": {"vendor/x": 1}}
    assert await told(asked(), result, Receipts(Papers())) == {
        "content": [],
        "_meta": {"vendor/x": 1, CALL: "c1"},
    }
    assert result["_meta"] == {"vendor/x": 1}


async def test_a_tool_server_does_not_speak_in_our_name() -> None:
    lying: JsonObject = {
        "_meta": {WARRANT: {"warrant": "another's"}, CALL: "another", "vendor/x": 1}
    }
    assert await told(asked(), lying, Receipts(Papers())) == {"_meta": {"vendor/x": 1, CALL: "c1"}}


@pytest.mark.parametrize("endpoint", [ALL, SERVER])
async def test_who_asks_gets_the_warrant(endpoint: Endpoint) -> None:
    result = await told(asked(ASKING, endpoint), {}, Receipts(Papers()))
    assert result == {"_meta": {CALL: "c1", WARRANT: {"warrant": "c1"}}}


async def test_where_hosts_may_not_have_it_there_is_none() -> None:
    assert await told(asked(ASKING), {}, Receipts(None)) == {"_meta": {CALL: "c1", WARRANT: None}}


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        (asked(endpoint=SERVER), {}),
        (asked(ASKING, method="resources/read"), {}),
        (asked(ASKING), {"carried": True}),
        (asked({"name": "x", "_meta": {WARRANT: "yes"}}, SERVER), {}),
        (asked({"name": "x", "_meta": 7}, SERVER), {}),
    ],
)
async def test_all_else_stays_as_it_is(request_: Request, more: Any) -> None:
    result: JsonObject = {"content": []}
    assert await told(request_, result, Receipts(Papers()), **more) is result


async def test_an_error_and_a_refusal_stay_as_they_are() -> None:
    receipts = Receipts(Papers())
    error = Answer(error=RpcError(1, "no"), call_id="c1")
    assert await receipts.add(asked(), error) is error
    refused = Answer({"isError": True})
    assert await receipts.add(asked(), refused) is refused
