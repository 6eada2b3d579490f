"""gateway.wire.servers.http_ears: what an agent subscribed to is heard in its own session at an HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.model import ClientFacts, JsonObject, Outcome
from gateway.ports import Outbound, Watch
from gateway.values import replace
from gateway.wire.methods import SUBSCRIBE, UPDATED
from gateway.wire.servers import http_standing
from gateway.wire.servers.http import HttpServer
from tests.servers.http_raw import Wire
from tests.wire.servers.test_http import Ear, leave
from tests.wire.servers.test_http_link import serving, stateless
from tests.wire.servers.test_http_sessions import in_session, sessions
from tests.wire.servers.test_watches import Told

NOTE: Watch = ("resource", "note://a")
MUTE = ClientFacts("2025-11-25", {}, {"name": "agent", "version": "1"})


class Notes:
    """A sessions server that tells of a note: in the session whose call changed it, or in every one."""

    def __init__(self, everywhere: bool = False) -> None:
        self.everywhere = everywhere
        self.asked: dict[str, list[str]] = defaultdict(list)
        """What each session was asked about the note."""
        self.streams: dict[str, Wire] = {}
        self.forgotten: set[str] = set()

    async def __call__(self, wire: Wire) -> None:
        lines = wire.request.head.lower().split("\r\n")
        session = next(line.split()[1] for line in lines if line.startswith("mcp-session-id"))
        method = wire.request.rpc.get("method", "")
        if session in self.forgotten:
            await wire.say(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        elif wire.request.head.startswith("GET"):
            await wire.stream()
            self.streams[session] = wire
            await asyncio.sleep(60)
        elif method == "tools/call":
            for each in self.streams if self.everywhere else (session,):
                await self.tell(each)
            await wire.answer({})
        else:
            self.asked[session].append(method)
            await wire.answer({})

    async def tell(self, session: str) -> None:
        """If it was asked to."""
        if SUBSCRIBE in self.asked[session] and session in self.streams:
            note = {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": NOTE[1]}}
            await self.streams[session].say(f"data: {json.dumps(note)}\n\n".encode())

    def restart(self) -> None:
        """Its streams end and it knows no session any more."""
        for session, wire in self.streams.items():
            self.forgotten.add(session)
            wire.writer.write_eof()
        self.streams.clear()


@asynccontextmanager
async def watched(notes: Notes) -> AsyncIterator[tuple[HttpServer, Told]]:
    """A server of notes that the gateway listens to; the gateway's own session there is s-1."""
    told = Told()
    async with serving(sessions(notes)) as (server, _), asyncio.timeout(20):
        server.watches.on_update(told)
        server.changes()
        yield server, told


async def subscribe(server: HttpServer, name: str) -> Outcome:
    message = replace(in_session(name), method=SUBSCRIBE, params={"uri": NOTE[1]})
    return await server.call(leave(), message, Ear())


async def touch(server: HttpServer, message: Outbound) -> None:
    assert (await server.call(leave(), message, Ear())).kind == "ok"


@pytest.mark.parametrize("first", ["subscribe", "call"])
async def test_what_only_the_session_is_told_whose_call_it_was_its_agent_hears(first: str) -> None:
    notes = Notes()
    async with watched(notes) as (server, told):
        if first == "call":
            await touch(server, in_session("one"))
        await subscribe(server, "one")
        await touch(server, in_session("one"))
        assert await told.next() == (UPDATED, {"uri": NOTE[1]})
        await touch(server, in_session("other"))
        assert (told.session, told.news) == ("one", [])
    assert notes.asked["s-3"] == []


async def test_an_agent_that_cannot_be_asked_hears_it_too() -> None:
    async with watched(Notes()) as (server, told):
        await subscribe(server, "one")
        await touch(server, replace(in_session("one"), client=MUTE))
        assert (await told.next(), told.session) == ((UPDATED, {"uri": NOTE[1]}), "one")


async def test_whom_the_server_tells_itself_need_not_hear_what_it_tells_everybody() -> None:
    async with watched(Notes(everywhere=True)) as (server, told):
        await subscribe(server, "one")
        before = server.watches.tells(NOTE, "one")
        await touch(server, in_session("one"))
        assert [await told.next() for _ in range(2)] == [(UPDATED, {"uri": NOTE[1]})] * 2
        assert (before, server.watches.tells(NOTE, "one")) == (False, True)
        assert not server.watches.tells(NOTE, "other")


async def test_a_session_that_has_ended_tells_nothing_and_a_next_one_is_asked_again() -> None:
    notes = Notes()
    async with watched(notes) as (server, told):
        await subscribe(server, "one")
        await touch(server, in_session("one"))
        await told.next()
        notes.restart()
        while server.watches.tells(NOTE, "one"):
            await asyncio.sleep(0.01)
        await touch(server, in_session("one"))
        assert server.watches.tells(NOTE, "one")
    assert SUBSCRIBE in notes.asked["s-3"] + notes.asked["s-4"]


async def test_what_is_let_go_of_is_let_go_of_there() -> None:
    notes = Notes()
    async with watched(notes) as (server, _):
        await subscribe(server, "one")
        await touch(server, in_session("one"))
        server.watches.release(NOTE, "one")
        while "resources/unsubscribe" not in notes.asked["s-2"]:
            await asyncio.sleep(0.01)
    assert not server.watches.tells(NOTE, "one")


def event(method: str, **params: str) -> bytes:
    """A notification in an event stream."""
    return (
        f"data: {json.dumps({'jsonrpc': '2.0', 'method': method, 'params': params})}\n\n".encode()
    )


CHANGED, LOG = "notifications/tools/list_changed", "notifications/message"
NEWS = event(CHANGED) + event(UPDATED, uri=NOTE[1]) + event(LOG, data="at work")


class OnTheCall(Notes):
    """It says all that it says on the stream of the call it is asked in."""

    async def __call__(self, wire: Wire) -> None:
        if wire.request.rpc.get("method") != "tools/call":
            await super().__call__(wire)
            return
        await wire.stream()
        await wire.say(NEWS + wire.event({}))
        wire.close()


async def test_an_update_that_comes_on_a_calls_own_stream_is_told_to_who_subscribed() -> None:
    async with watched(OnTheCall()) as (server, told):
        await subscribe(server, "one")
        await touch(server, in_session("one"))
        assert (await told.next(), told.session) == ((UPDATED, {"uri": NOTE[1]}), "one")


async def on_the_sessions(wire: Wire, stream: asyncio.Future[Wire], heard: asyncio.Event) -> None:
    """It says it on the session's stream, while a call is under way."""
    if wire.request.head.startswith("GET"):
        await wire.stream()
        stream.set_result(wire)
        await asyncio.sleep(60)
    await (await stream).say(NEWS)
    await heard.wait()
    await wire.answer({})


@pytest.mark.parametrize("where", ["call", "session", "stateless"])
async def test_what_is_listened_for_is_no_part_of_a_call_whatever_stream_it_comes_on(
    where: str,
) -> None:
    agent = Listening()
    stream: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()
    scripts = {
        "call": sessions(OnTheCall()),
        "session": sessions(lambda wire: on_the_sessions(wire, stream, agent.heard_one)),
        "stateless": stateless(OnTheCall()),
    }
    async with serving(scripts[where]) as (server, _), asyncio.timeout(20):
        await server.call(leave(), replace(in_session("one"), client=MUTE), agent)
    assert agent.heard == [(LOG, {"data": "at work"})]


class Listening(Ear):
    """Says when it has heard something."""

    def __init__(self) -> None:
        super().__init__()
        self.heard_one = asyncio.Event()

    async def notify(self, method: str, params: JsonObject) -> None:
        await super().notify(method, params)
        self.heard_one.set()


async def silent(wire: Wire) -> None:
    """Its stream opens without a word."""
    if wire.request.head.startswith("GET"):
        await asyncio.sleep(60)
    await wire.answer({})


async def test_only_the_first_call_waits_for_a_stream_that_opens_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(sessions(silent)) as (server, _), asyncio.timeout(20):
        monkeypatch.setattr(http_standing, "OPEN_SECONDS", 0.01)
        await touch(server, in_session("one"))
        monkeypatch.setattr(http_standing, "OPEN_SECONDS", 3600)
        await touch(server, in_session("one"))


async def test_an_agent_that_cannot_be_asked_waits_less_for_such_a_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_standing, "OPEN_SECONDS", 3600)
    async with serving(sessions(silent)) as (server, _), asyncio.timeout(20):
        await touch(server, replace(in_session("one"), client=MUTE))


async def test_an_agent_that_cannot_be_asked_hears_what_is_said_on_its_sessions_stream() -> None:
    stream: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()

    async def logging(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            await wire.stream()
            stream.set_result(wire)
            await asyncio.sleep(60)
        log = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "at work"}}
        await (await stream).say(f"data: {json.dumps(log)}\n\n".encode())
        await agent.heard_one.wait()
        await wire.answer({})

    agent = Listening()
    async with serving(sessions(logging)) as (server, _), asyncio.timeout(20):
        await server.call(leave(), replace(in_session("one"), client=MUTE), agent)
    assert agent.heard == [("notifications/message", {"data": "at work"})]
