"""A real server of HTTP+SSE (2024-11-05), and what a session there is to whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.model import ClientFacts, Era
from gateway.core.over import Ear as AgentsEar
from gateway.core.over import Over, nobody
from gateway.errors import Misconfigured
from gateway.ports import Outbound, Watch, WatchedServer
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers import open_server, sse_server
from tests.servers.http_sdk import World
from tests.servers.http_sdk import sse_server as sdk_sse_server
from tests.wire.servers.test_http import AGENT, Ear, leave, text, tool
from tests.wire.servers.test_watches import Told

MUTE = ClientFacts("2025-06-18", {}, {"name": "mute", "version": "1"})
WATCHED: Watch = ("resource", "test://watched")


@asynccontextmanager
async def connected(**settings: Any) -> AsyncIterator[tuple[WatchedServer, World]]:
    async with sdk_sse_server() as (url, world):
        told = ServerSettings.model_validate({"url": url, "transport": "sse", **settings})
        server = open_server("fixture", told)
        try:
            async with asyncio.timeout(20):
                yield server, world
        finally:
            await server.aclose()


def sent(name: str, client: ClientFacts = AGENT, session: str = "s1", **arguments: Any) -> Outbound:
    return replace(tool(name, **arguments), client=client, session=session)


async def test_a_call_is_answered_with_progress_in_the_agents_own_token() -> None:
    ear = Ear()
    async with connected() as (server, world):
        outcome = await server.call(leave(), sent("echo", text="é\u2028"), Ear())
        await server.call(leave(), sent("steps"), ear)
        await server.fetch("server/discover", {})
        about = server.describe()
    assert (text(outcome), world.done) == ("é\u2028", ["é\u2028"])
    assert [params["progressToken"] for _, params in ear.heard] == ["p-1"] * 3
    assert (about["transport"], about["era"], "process" in about) == ("sse", Era.SESSIONS, False)
    assert about["server_info"]["name"] == "fixture"


async def test_its_lists_are_read_and_what_changes_is_told() -> None:
    async with connected() as (server, _):
        tools = (await server.fetch("tools/list", {}))["tools"]
        news = asyncio.ensure_future(anext(server.changes()))
        await server.call(leave(), sent("change"), Ear())
        assert await news == "notifications/tools/list_changed"
    assert "echo" in [one["name"] for one in tools]


async def test_an_agent_that_can_be_asked_is_asked_on_its_own_session() -> None:
    asked, other = Ear(), Ear()
    async with connected() as (server, _):
        await server.call(leave(), sent("echo", session="s2", text="x"), other)
        outcome = await server.call(leave(), sent("ask"), asked)
    assert text(outcome) == "accept {'name': 'Ada'}"
    assert (len(asked.asked), other.asked) == (1, [])


async def test_each_session_has_its_own_also_of_who_cannot_be_asked_and_ends_it() -> None:
    async with connected() as (server, world):
        over = Over()
        one = replace(sent("echo", MUTE, text="x"), ear=AgentsEar(over, nobody))
        for message in (one, sent("echo", MUTE, "s2", text="x"), one):
            await server.call(leave(), message, Ear())
        opened = world.methods().count("initialize")
        over.say()
        await server.call(leave(), sent("echo", MUTE, text="x"), Ear())
    assert (opened, world.methods().count("initialize")) == (2, 3)


async def test_a_stateless_agent_is_asked_by_input_required() -> None:
    young = replace(AGENT, protocol_version="2026-07-28")
    async with connected() as (server, _):
        await server.fetch("tools/list", {})
        first = await server.call(leave(), sent("ask", young, ""), Ear())
        assert first.result is not None and first.result["resultType"] == "input_required"
        [key] = first.result["inputRequests"]
        again = sent("ask", young, "")
        answers = {key: {"action": "accept", "content": {"name": "Bea"}}}
        params = {
            **again.params,
            "inputResponses": answers,
            "requestState": first.result["requestState"],
        }
        outcome = await server.call(leave(), replace(again, params=params), Ear())
    assert text(outcome) == "accept {'name': 'Bea'}"


async def test_a_call_that_is_cancelled_is_cancelled_there() -> None:
    async with connected() as (server, world):
        call = asyncio.ensure_future(server.call(leave(), sent("hang"), Ear()))
        await world.started.wait()
        call.cancel()
        await world.cancelled.wait()
    assert call.cancelled()


async def test_what_is_watched_is_told() -> None:
    told = Told()
    async with connected() as (server, _):
        server.watches.on_update(told)
        assert await server.watches.acquire(WATCHED) is None
        await server.call(leave(), sent("touch", uri=WATCHED[1]), Ear())
        method, params = await told.next()
    assert (method, params) == ("notifications/resources/updated", {"uri": WATCHED[1]})


async def test_a_fence_leaves_calls_in_doubt_and_says_that_they_may_go_on() -> None:
    async with connected() as (server, world):
        call = asyncio.ensure_future(server.call(leave(), sent("hang"), Ear()))
        await world.started.wait()
        fenced = await server.fence()
        outcome = await call
        after = await server.call(leave(), sent("echo", text="x"), Ear())
    assert (fenced, outcome.kind, outcome.pid, after.kind) == (False, "in_doubt", None, "ok")


async def test_while_all_sessions_are_at_work_a_further_one_is_turned_away_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse_server, "MOST", 1)
    async with connected() as (server, world):
        call = asyncio.ensure_future(server.call(leave(), sent("hang"), Ear()))
        await world.started.wait()
        turned_away = await server.call(leave(), sent("echo", MUTE, "s2", text="x"), Ear())
        call.cancel()
    assert (turned_away.kind, world.done) == ("rejected", [])


async def test_a_server_that_is_not_there_is_unavailable_and_nothing_was_forwarded() -> None:
    async with sdk_sse_server() as (url, _):
        pass
    server = open_server("gone", ServerSettings(url=url, transport="sse"))
    outcome = await server.call(leave(), sent("echo", text="x"), Ear())
    await server.aclose()
    assert outcome.kind == "rejected" and "no connection" in outcome.detail


@pytest.mark.parametrize("url", ["http://a:b@host/sse", "http://host/sse#part"])
def test_an_address_that_cannot_be_one_is_the_operators_mistake(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"servers\.old\.url"):
        open_server("old", ServerSettings(url=url, transport="sse"))


@pytest.mark.parametrize(
    "wrong", [{"command": ("cat",)}, {"url": "http://host/sse", "era": "stateless"}]
)
def test_it_is_for_an_address_and_speaks_sessions(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="transport sse"):
        ServerSettings.model_validate({**wrong, "transport": "sse"})
