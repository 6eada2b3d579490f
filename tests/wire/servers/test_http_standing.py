"""gateway.wire.servers.http_standing: what a server says on a session's own stream, and what its end says."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.core.model import JsonObject
from tests.servers.http_raw import Script, Wire
from tests.wire.servers.test_http import Ear, leave
from tests.wire.servers.test_http_link import serving
from tests.wire.servers.test_http_sessions import in_session, sessions

NO_SESSION: JsonObject = {"code": -32000, "message": "Bad Request: No valid session ID provided"}


async def opens_streams(wire: Wire) -> None:
    """A script: an answer to whatever is asked, and a stream for every session."""
    if wire.request.head.startswith("GET"):
        await wire.stream()
        await asyncio.sleep(60)
    else:
        await wire.answer({})


def restarting(restarted: asyncio.Event, unknown: str) -> Script:
    """Its first session is forgotten then: its stream ends, and this is the status of everything in it."""

    async def script(wire: Wire) -> None:
        if "mcp-session-id: s-1\r" not in wire.request.head.lower():
            await opens_streams(wire)
        elif restarted.is_set():
            await wire.json({"jsonrpc": "2.0", "id": None, "error": NO_SESSION}, unknown)
        elif wire.request.head.startswith("GET"):
            await wire.stream()
            await restarted.wait()
            wire.writer.write_eof()
        else:
            await wire.answer({})

    return script


@pytest.mark.parametrize("unknown", ["404 No", "400 Bad"])
async def test_a_server_that_was_started_anew_is_listened_to_in_a_new_session(
    unknown: str,
) -> None:
    restarted = asyncio.Event()
    script = sessions(restarting(restarted, unknown))
    async with serving(script) as (server, heard), asyncio.timeout(20):
        news = asyncio.ensure_future(anext(server.changes()))
        while not any(one.head.startswith("GET") for one in heard.requests):
            await asyncio.sleep(0.01)
        restarted.set()
        assert await news == "restarted"


@pytest.mark.parametrize("unknown", ["404 No", "400 Bad"])
async def test_an_agents_session_whose_stream_says_that_it_has_ended_is_opened_anew_before_a_call(
    unknown: str,
) -> None:
    restarted = asyncio.Event()
    script = sessions(restarting(restarted, unknown))
    async with serving(script) as (server, heard), asyncio.timeout(20):
        await server.call(leave(), in_session("one"), Ear())
        restarted.set()
        await heard.ended.wait()
        outcome = await server.call(leave(), in_session("one"), Ear())
    assert outcome.kind == "ok"
    assert heard.methods().count("initialize") == 2


@pytest.mark.parametrize("none", ["404 No", "400 Bad", "405 No"])
async def test_a_server_without_streams_keeps_its_sessions(none: str) -> None:
    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            await wire.say(f"HTTP/1.1 {none}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            await wire.answer({})

    async with serving(sessions(script)) as (server, heard):
        for _ in range(3):
            assert (await server.call(leave(), in_session("one"), Ear())).kind == "ok"
    assert heard.methods().count("initialize") == 1


@pytest.mark.parametrize("whose", ["the gateway", "an agent"])
async def test_a_server_that_pings_while_nothing_is_under_way_is_answered(whose: str) -> None:
    answered: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()

    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            await wire.stream()
            await wire.say(b'data: {"jsonrpc":"2.0","id":"p-1","method":"ping"}\n\n')
            await asyncio.sleep(60)
        else:
            await wire.answer({})

    async def listening(wire: Wire) -> None:
        if wire.request.rpc.get("id") == "p-1" and not answered.done():
            answered.set_result(wire.request.rpc)
        await greeting(wire)

    greeting = sessions(script)
    async with serving(listening) as (server, _), asyncio.timeout(20):
        if whose == "the gateway":
            server.changes()
        else:
            await server.call(leave(), in_session("one"), Ear())
        assert (await answered)["result"] == {}


async def test_what_it_asks_between_calls_is_asked_in_the_next() -> None:
    between, agent = asyncio.Event(), Ear()

    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            await wire.stream()
            await between.wait()
            for id, method in (("q-1", "roots/list"), ("p-1", "ping")):
                question = {"jsonrpc": "2.0", "id": id, "method": method}
                await wire.say(f"data: {json.dumps(question)}\n\n".encode())
            await asyncio.sleep(60)
        if between.is_set():
            await answer_to("q-1")
        await wire.answer({})

    async def answer_to(id: str) -> JsonObject:
        while not (found := [one.rpc for one in heard.requests if one.rpc.get("id") == id]):
            await asyncio.sleep(0.01)
        return found[0]

    async with serving(sessions(script)) as (server, heard), asyncio.timeout(20):
        await server.call(leave(), in_session("one"), agent)
        between.set()
        await answer_to("p-1")
        await server.call(leave(), in_session("one"), agent)
        answer = await answer_to("q-1")
    assert agent.asked == [("roots/list", {})]
    assert answer["result"] == (await agent.ask("", {})).result
