"""The bridge from a stateless server to a sessions agent (checklist B3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.model import Answer, ClientFacts, Era, JsonObject, Outcome, RpcError
from gateway.core.record import Permit
from gateway.ports import Channel, Outbound
from gateway.wire.servers.rounds import MAX_QUESTIONS, MAX_ROUNDS, UNANSWERED, Rounds
from tests.wire.servers.asking_server import FORM, AskingServer, call, said
from tests.wire.servers.test_http import Ear, leave

SESSIONS = ClientFacts("2025-11-25", {"elicitation": {}, "roots": {}})
NAME: JsonObject = {"method": "elicitation/create", "params": FORM}


def wants(questions: Any, state: str | None = None) -> JsonObject:
    asked: JsonObject = {"resultType": "input_required", "inputRequests": questions}
    return asked if state is None else {**asked, "requestState": state}


class Stateless(AskingServer):
    """Answers each request with the next of its results; the last one again and again."""

    def __init__(self, *results: JsonObject) -> None:
        super().__init__(lambda _: self._next(), Era.STATELESS)
        self._results = list(results)

    async def _next(self) -> JsonObject:
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        return await super().call(permit, message, channel)


class Refusing(Ear):
    """An agent whose client answers no question."""

    async def ask(self, method: str, params: JsonObject) -> Answer:
        return Answer(error=RpcError(-32601, f"{method}: nobody here"))


async def rounds(server: AskingServer, ear: Ear) -> Outcome:
    async with asyncio.timeout(20):
        return await Rounds(server).call(leave(), call(client=SESSIONS), ear)


async def test_b3_what_a_stateless_server_asks_is_pushed_and_the_call_goes_on() -> None:
    server, ear = Stateless(wants({"who": NAME}, "s 1 \u00e9"), {"resultType": "complete"}), Ear()
    outcome = await rounds(server, ear)
    assert outcome.result == {"resultType": "complete"}
    assert ear.asked == [("elicitation/create", FORM)]
    onward = server.forwarded[1].params
    assert onward["inputResponses"] == {"who": said("Ada")}
    assert onward["requestState"] == "s 1 \u00e9"
    assert onward["arguments"] == server.forwarded[0].params["arguments"]


async def test_b3_without_a_state_none_is_sent() -> None:
    server = Stateless(wants({"who": NAME}), {"resultType": "complete"})
    await rounds(server, Ear())
    assert "requestState" not in server.forwarded[1].params


async def test_b3_several_rounds_each_have_their_own_answers() -> None:
    server = Stateless(wants({"a": NAME}, "1"), wants({"b": NAME}, "2"), {"done": True})
    outcome = await rounds(server, Ear())
    assert outcome.result == {"done": True}
    assert [list(m.params.get("inputResponses", {})) for m in server.forwarded] == [
        [],
        ["a"],
        ["b"],
    ]


async def test_b3_a_client_that_cannot_be_asked_makes_a_clean_error() -> None:
    server = Stateless(wants({"who": NAME}))
    outcome = await rounds(server, Refusing())
    assert outcome.kind == "rejected" and outcome.error is not None
    assert outcome.error.code == UNANSWERED
    assert "elicitation/create" in outcome.error.message
    assert len(server.forwarded) == 1


async def test_b3_a_server_that_never_stops_asking_is_stopped() -> None:
    server, ear = Stateless(wants({"who": NAME})), Ear()
    outcome = await rounds(server, ear)
    assert outcome.error is not None and str(MAX_ROUNDS) in outcome.error.message
    assert len(ear.asked) == MAX_ROUNDS


@pytest.mark.parametrize(
    "questions",
    [
        {str(n): NAME for n in range(MAX_QUESTIONS + 1)},
        {"a": 7},
        {"a": {"method": 7}},
        {"a": {"method": "roots/list", "params": []}},
    ],
    ids=["too many", "no object", "no method", "no params"],
)
async def test_b3_questions_that_cannot_be_put_are_not_put(questions: JsonObject) -> None:
    ear = Ear()
    outcome = await rounds(Stateless(wants(questions)), ear)
    assert outcome.error is not None and outcome.error.code == UNANSWERED
    assert ear.asked == []
