"""Who meets directly, and who by way of a bridge."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.ports import Channel, Outbound
from gateway.values import replace
from gateway.wire.servers.bridge import Bridge
from gateway.wire.servers.parking import Parking
from gateway.wire.servers.seal import MARK, Seal
from gateway.wire.servers.watches import Watches
from tests.wire.servers.asking_server import AGENT, FORM, AskingServer, Tool, call, said
from tests.wire.servers.test_http import Ear, leave

OF_SESSIONS = ClientFacts("2025-11-25", {"elicitation": {}})
WANTS: JsonObject = {
    "resultType": "input_required",
    "inputRequests": {"who": {"method": "elicitation/create", "params": FORM}},
}


class Nobody:
    """Watches nothing."""

    async def add(self, watch: Any, channel: Any) -> None:
        return

    def drop(self, watch: Any) -> None:
        return


class Met:
    """A tool server of this era behind its bridge."""

    def __init__(self, tool: Tool, era: Era | None) -> None:
        self.server = AskingServer(tool, era)
        parking = Parking(self.server, "git", Seal())
        self.bridge = Bridge(self.server, parking, Watches(Nobody()))
        self.ear = Ear()

    async def by(self, message: Outbound) -> Outcome:
        async with asyncio.timeout(20):
            return await self.bridge.call(leave(), message, self.ear)


async def pushes(channel: Channel) -> JsonObject:
    """A sessions server's way to ask."""
    answer = await channel.ask("elicitation/create", FORM)
    return {"answered": answer.result}


async def wants(channel: Channel) -> JsonObject:
    """A stateless server's way to ask."""
    return WANTS


async def test_a_sessions_agent_is_asked_directly_by_a_sessions_server() -> None:
    met = Met(pushes, Era.SESSIONS)
    outcome = await met.by(call(client=OF_SESSIONS))
    assert outcome.result == {"answered": said("Ada")}
    assert met.ear.asked == [("elicitation/create", FORM)]


async def test_what_a_sessions_server_answers_its_own_era_is_no_question_whatever_it_says() -> None:
    met = Met(wants, Era.SESSIONS)
    outcome = await met.by(call(client=OF_SESSIONS))
    assert outcome.result == WANTS and met.ear.asked == []


async def test_a_stateless_agent_gets_the_questions_of_its_own_era_as_they_are() -> None:
    met = Met(wants, Era.STATELESS)
    outcome = await met.by(call())
    assert outcome.result == WANTS and met.ear.asked == []


async def test_s3_a_stateless_servers_own_state_passes_byte_exact() -> None:
    met = Met(wants, Era.STATELESS)
    state = f"{MARK}looks like ours \u00e9 "
    await met.by(call(requestState=state, inputResponses={"k": {}}))
    assert met.server.forwarded[0].params["requestState"] == state
    assert met.server.forwarded[0].params["inputResponses"] == {"k": {}}


@pytest.mark.parametrize("era", [Era.SESSIONS, None])
async def test_a_server_that_is_or_may_be_of_sessions_asks_a_stateless_agent_by_a_result(
    era: Era | None,
) -> None:
    met = Met(pushes, era)
    outcome = await met.by(call())
    assert outcome.result is not None and outcome.result["resultType"] == "input_required"
    assert met.ear.asked == []
    await met.bridge.aclose()


@pytest.mark.parametrize("era", [Era.STATELESS, None])
async def test_b3_a_server_that_is_or_may_be_stateless_asks_a_sessions_agent_on_its_stream(
    era: Era | None,
) -> None:
    met = Met(wants, era)
    await met.by(call(client=OF_SESSIONS))
    assert met.ear.asked[0] == ("elicitation/create", FORM)


async def test_what_can_have_no_questions_for_an_answer_is_not_parked() -> None:
    met = Met(pushes, Era.SESSIONS)
    outcome = await met.by(replace(call(client=AGENT), method="completion/complete"))
    assert outcome.result == {"answered": said("Ada")}


@pytest.mark.parametrize("ending", ["aclose", "fence"])
async def test_who_ends_it_cancels_what_waits(ending: str) -> None:
    met = Met(pushes, Era.SESSIONS)
    await met.by(call())
    async with asyncio.timeout(20):
        await getattr(met.bridge, ending)()
        await met.server.cancelled.wait()
    assert met.server.ended == []
