"""The bridge from a sessions server to a stateless agent (checklist B2, B4, S3, S4, H6, H8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.model import ClientFacts, JsonObject, Outcome
from gateway.ports import Channel
from gateway.wire.servers.parking import Parking
from gateway.wire.servers.seal import MARK, Seal
from tests.wire.servers.asking_server import FORM, AskingServer, Tool, again, call, said
from tests.wire.servers.test_http import Ear, leave

KEY = "k" * 64


async def ask_name(channel: Channel) -> JsonObject:
    answer = await channel.ask("elicitation/create", FORM)
    return {"answered": answer.result or {"error": answer.error and answer.error.message}}


async def ask_three(channel: Channel) -> JsonObject:
    got = await asyncio.gather(
        channel.ask("elicitation/create", FORM),
        channel.ask("sampling/createMessage", {"messages": [], "maxTokens": 5}),
        channel.ask("roots/list", {}),
    )
    return {"answered": [answer.result for answer in got]}


async def ask_twice(channel: Channel) -> JsonObject:
    first = await channel.ask("elicitation/create", FORM)
    second = await channel.ask("elicitation/create", FORM)
    return {"answered": [first.result, second.result]}


def parked(tool: Tool, *, seal: Seal | None = None, **options: Any) -> tuple[Parking, AskingServer]:
    server = AskingServer(tool)
    return Parking(server, "git", seal or Seal(KEY), **options), server


def questions(outcome: Outcome) -> JsonObject:
    assert outcome.result is not None, outcome
    assert outcome.result["resultType"] == "input_required", outcome
    asked: JsonObject = outcome.result["inputRequests"]
    return asked


def reason(outcome: Outcome) -> str:
    assert outcome.kind == "rejected" and outcome.error is not None, outcome
    return str(outcome.error.data["reason"])


async def test_b2_a_pushed_question_is_put_as_a_result_and_the_same_call_goes_on() -> None:
    parking, server = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        second = await parking.call(leave(), again(first, {"user_name": said("Ada")}), Ear())
    assert questions(first) == {"user_name": {"method": "elicitation/create", "params": FORM}}
    assert second.result == {"answered": said("Ada")}
    assert len(server.forwarded) == 1


async def test_b2_several_questions_at_once_are_put_at_once() -> None:
    parking, _ = parked(ask_three)
    answers = {
        "user_name": said("Ada"),
        "model_message": {"role": "assistant", "content": {"type": "text", "text": "hi"}},
        "client_roots": {"roots": []},
    }
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        second = await parking.call(leave(), again(first, answers), Ear())
    assert set(questions(first)) == set(answers)
    assert second.result == {"answered": list(answers.values())}


async def test_b2_a_second_round_has_keys_of_its_own() -> None:
    parking, server = parked(ask_twice)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        second = await parking.call(leave(), again(first, {"user_name": said("Ada")}), Ear())
        third = await parking.call(leave(), again(second, {"user_name_2": said("Bob")}), Ear())
    assert list(questions(second)) == ["user_name_2"]
    assert third.result == {"answered": [said("Ada"), said("Bob")]}
    assert len(server.forwarded) == 1


@pytest.mark.parametrize(
    "responses", [{}, {"wrong": said("Ada")}, {"user_name": {"x": 1}}, None, []]
)
async def test_b2_a_missing_wrong_or_unfit_answer_is_asked_for_again(responses: Any) -> None:
    parking, _ = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        second = await parking.call(leave(), again(first, responses), Ear())
        third = await parking.call(leave(), again(second, {"user_name": said("Ada")}), Ear())
    assert questions(second) == questions(first)
    assert third.result == {"answered": said("Ada")}


async def test_b2_of_several_answers_the_missing_one_is_asked_for_again() -> None:
    parking, server = parked(ask_three)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        some = {"user_name": said("Ada"), "client_roots": {"roots": []}}
        second = await parking.call(leave(), again(first, some), Ear())
    assert list(questions(second)) == ["model_message"]
    assert server.ended == []
    parking.clear()


@pytest.mark.parametrize("cut", [-1, len(MARK) + 20])
async def test_b2_a_tampered_state_is_a_clear_error_and_goes_on_with_nothing(cut: int) -> None:
    parking, server = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        assert first.result is not None
        state = first.result["requestState"]
        wrong = "A" if state[cut] != "A" else "B"
        changed = state[:cut] + wrong + (state[cut + 1 :] if cut != -1 else "")
        answers = {"user_name": said("Eve")}
        second = await parking.call(leave(), again(first, answers, requestState=changed), Ear())
    assert reason(second) == "invalid_request_state"
    assert server.ended == [] and len(server.forwarded) == 1
    parking.clear()


@pytest.mark.parametrize("state", ["", "somebody else's", 7, {"a": 1}])
async def test_b2_a_state_that_is_not_ours_is_refused_for_a_server_that_has_none(
    state: Any,
) -> None:
    parking, server = parked(ask_name)
    outcome = await parking.call(leave(), call(requestState=state), Ear())
    assert reason(outcome) == "invalid_request_state"
    assert server.forwarded == []


async def test_b2_another_principal_hears_what_a_forger_hears() -> None:
    parking, _ = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        theirs = again(first, {"user_name": said("Eve")}, principal="agent:eve")
        second = await parking.call(leave(), theirs, Ear())
        third = await parking.call(leave(), again(first, {"user_name": said("Ada")}), Ear())
    assert reason(second) == "invalid_request_state"
    assert third.result == {"answered": said("Ada")}


async def test_b2_a_state_goes_with_its_own_request_only() -> None:
    parking, server = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        other = again(first, {"user_name": said("Ada")}, arguments={"x": 2})
        second = await parking.call(leave(), other, Ear())
    assert reason(second) == "other_request"
    assert server.ended == []
    parking.clear()


async def test_the_members_of_the_arguments_may_come_in_another_order() -> None:
    parking, _ = parked(ask_name)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(arguments={"a": 1, "b": {"c": 2, "d": 3}}), Ear())
        turned = again(first, {"user_name": said("Ada")}, arguments={"b": {"d": 3, "c": 2}, "a": 1})
        second = await parking.call(leave(), turned, Ear())
    assert second.result == {"answered": said("Ada")}


async def test_b2_a_call_nobody_comes_back_for_is_cancelled_at_the_server() -> None:
    parking, server = parked(ask_name, seconds=0.05)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        await server.cancelled.wait()
        second = await parking.call(leave(), again(first, {"user_name": said("Ada")}), Ear())
    assert reason(second) == "expired_request_state"


async def test_b2_a_state_holds_no_longer_than_it_says() -> None:
    now = [1000.0]
    parking, _ = parked(ask_name, seconds=60.0, clock=lambda: now[0])
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        now[0] += 60.0
        second = await parking.call(leave(), again(first, {"user_name": said("Ada")}), Ear())
    assert reason(second) == "expired_request_state"
    parking.clear()


async def test_s1_a_state_of_another_gateway_process_says_so() -> None:
    here, _ = parked(ask_name, seal=Seal(KEY))
    there, other = parked(ask_name, seal=Seal(KEY))
    stranger, _ = parked(ask_name, seal=Seal())
    async with asyncio.timeout(20):
        first = await here.call(leave(), call(), Ear())
        answer = again(first, {"user_name": said("Ada")})
        second = await there.call(leave(), answer, Ear())
        third = await stranger.call(leave(), answer, Ear())
    assert reason(second) == "parked_elsewhere"
    assert reason(third) == "invalid_request_state"
    assert other.forwarded == []
    here.clear()


async def test_a_state_is_used_by_one_request_at_a_time() -> None:
    go = asyncio.Event()

    async def slow(channel: Channel) -> JsonObject:
        await channel.ask("elicitation/create", FORM)
        await go.wait()
        return {"done": True}

    parking, _ = parked(slow)
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        answer = again(first, {"user_name": said("Ada")})
        going = asyncio.create_task(parking.call(leave(), answer, Ear()))
        await asyncio.sleep(0)
        twice = await parking.call(leave(), answer, Ear())
        go.set()
        outcome = await going
        after = await parking.call(leave(), answer, Ear())
    assert reason(twice) == "request_state_in_use"
    assert outcome.result == {"done": True}
    assert reason(after) == "expired_request_state"


async def endless(channel: Channel) -> JsonObject:
    """Asks once, and never ends."""
    await channel.ask("elicitation/create", FORM)
    return await asyncio.Future()


async def under_way_again(parking: Parking) -> asyncio.Task[Outcome]:
    """A call that was asked about, in its second round."""
    first = await parking.call(leave(), call(), Ear())
    answer = again(first, {"user_name": said("Ada")})
    going = asyncio.create_task(parking.call(leave(), answer, Ear()))
    await asyncio.sleep(0)
    return going


async def test_h6_an_agent_that_goes_away_cancels_the_call_also_in_a_later_round() -> None:
    parking, server = parked(endless)
    async with asyncio.timeout(20):
        going = await under_way_again(parking)
        going.cancel()
        await server.cancelled.wait()
        await asyncio.wait({going})
    assert going.cancelled()


async def test_a_call_that_is_given_up_under_way_is_in_doubt_and_its_agent_hears_so() -> None:
    """As when its server is stopped: the agent is still there, and its request has not been cancelled."""

    parking, _ = parked(endless)
    async with asyncio.timeout(20):
        going = await under_way_again(parking)
        parking.clear()
        outcome = await going
    assert outcome.kind == "in_doubt"


async def test_calls_that_wait_are_bounded_for_each_agent_and_for_all() -> None:
    parking, _ = parked(ask_name, most=3, each=2)
    async with asyncio.timeout(20):
        for _ in range(2):
            questions(await parking.call(leave(), call(), Ear()))
        third = await parking.call(leave(), call(), Ear())
        questions(await parking.call(leave(), call("agent:b"), Ear()))
        fifth = await parking.call(leave(), call("agent:c"), Ear())
    assert "too many calls" in str(third.result) and "too many calls" in str(fifth.result)
    parking.clear()


async def test_s5_a_client_is_never_asked_what_it_did_not_declare() -> None:
    parking, _ = parked(ask_name)
    outcome = await parking.call(leave(), call(client=ClientFacts("2026-07-28", {})), Ear())
    assert "did not declare" in str(outcome.result)


async def test_h8_progress_goes_to_the_request_that_is_open_under_its_own_token() -> None:
    async def reporting(channel: Channel) -> JsonObject:
        await channel.notify("notifications/progress", {"progressToken": "p1", "progress": 1})
        await channel.ask("elicitation/create", FORM)
        await channel.notify(
            "notifications/progress", {"progressToken": "p1", "progress": 2, "x": 1}
        )
        return {"done": True}

    parking, _ = parked(reporting)
    before, after = Ear(), Ear()
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(_meta={"progressToken": "p1"}), before)
        answers = {"user_name": said("Ada")}
        await parking.call(leave(), again(first, answers, _meta={"progressToken": "p2"}), after)
    assert before.heard == [("notifications/progress", {"progressToken": "p1", "progress": 1})]
    assert after.heard == [
        ("notifications/progress", {"progressToken": "p2", "progress": 2, "x": 1})
    ]


def required(*visits: JsonObject) -> Tool:
    async def refusing(channel: Channel) -> JsonObject:
        return {"error": {"code": -32042, "data": {"elicitations": list(visits)}}}

    return refusing


VISIT: JsonObject = {
    "mode": "url",
    "url": "https://x.example/",
    "message": "m",
    "elicitationId": "1",
}


async def test_b4_urls_to_visit_first_become_questions_and_the_next_request_is_a_new_call() -> None:
    parking, server = parked(required(VISIT))
    async with asyncio.timeout(20):
        first = await parking.call(leave(), call(), Ear())
        again_ = call(inputResponses={"url1": {"action": "accept"}})
        await parking.call(leave(), again_, Ear())
    assert first.result == {
        "resultType": "input_required",
        "inputRequests": {"url1": {"method": "elicitation/create", "params": VISIT}},
    }
    assert len(server.forwarded) == 2
    assert "inputResponses" not in server.forwarded[1].params


async def test_b4_an_agent_that_visits_no_urls_hears_what_it_lacks() -> None:
    parking, _ = parked(required(VISIT))
    plain = ClientFacts("2026-07-28", {"elicitation": {}})
    outcome = await parking.call(leave(), call(client=plain), Ear())
    assert outcome.error is not None
    assert outcome.error.code == -32021
    assert outcome.error.data == {"requiredCapabilities": {"elicitation": {"url": {}}}}
