"""Real clients of both eras against the wire, served as the gateway serves it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import mcp_types as types
import pytest
import uvloop
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from gateway.core.model import Era
from gateway.errors import Misconfigured
from gateway.wire.agents import http
from gateway.wire.agents.face import Face
from tests.clock import ahead
from tests.wire.agents.house import (
    ALICE,
    TOOLS,
    Advertised,
    Place,
    RememberingGate,
    serving,
    settings,
)
from tests.wire.agents.raw import Connection, Reply, connection, session, stateless

ROOT = Path(__file__).parents[3]
Mode = Literal["auto", "legacy", "2026-07-28"]


@asynccontextmanager
async def client(
    place: Place, mode: Mode, path: str = "/mcp", **more: Any
) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=ALICE) as carrier:
        transport = streamable_http_client(place.url(path), http_client=carrier)
        async with Client(transport, mode=mode, **more) as opened:
            yield opened


@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_a_real_client_lists_calls_and_hears_progress_before_the_answer(mode: Mode) -> None:
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    with anyio.fail_after(20):
        async with serving() as place, client(place, mode) as agent:
            listed = await agent.list_tools()
            echoed = await agent.call_tool("echo", {"a": 1})
            await agent.call_tool("progress", {}, progress_callback=on_progress)
    assert [tool.name for tool in listed.tools] == [tool["name"] for tool in TOOLS]
    assert json.loads(echoed.content[0].text) == {"a": 1}  # type: ignore[union-attr]
    assert heard == [1.0, 2.0, 3.0]
    era = Era.SESSIONS if mode == "legacy" else Era.STATELESS
    assert {request.era for request in place.gate.requests} == {era}
    assert {request.identity.agent for request in place.gate.requests} == {"agent:alice"}


async def test_a_session_is_asked_for_a_sample_on_the_stream_of_its_own_call() -> None:
    async def sample(context: Any, params: types.CreateMessageRequestParams) -> Any:
        content = types.TextContent(type="text", text=f"{params.max_tokens} tokens")
        return types.CreateMessageResult(role="assistant", content=content, model="m1")

    question = {
        "messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
        "maxTokens": 7,
    }
    with anyio.fail_after(20):
        async with (
            serving() as place,
            client(place, "legacy", sampling_callback=sample) as agent,
        ):
            result = await agent.call_tool("sample", question)
    answered = json.loads(result.content[0].text)  # type: ignore[union-attr]
    assert (answered["model"], answered["content"]["text"]) == ("m1", "7 tokens")
    assert len(place.gate.asked) == 1


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    "path", ["/mcp", "/data/mcp", "/tool/mcp", "/admin/mcp", "/servers/one/mcp"]
)
async def test_every_endpoint_is_its_own_to_the_gate(mode: Mode, path: str) -> None:
    with anyio.fail_after(20):
        async with serving() as place, client(place, mode, path) as agent:
            await agent.call_tool("echo", {})
            instructions = agent.instructions
    assert {request.endpoint.path for request in place.gate.requests} == {path}
    assert {seen.endpoint.path for seen in place.gate.evidence} == {path}
    assert instructions == f"for agent:alice at {path}" or mode == "2026-07-28"


async def test_a_port_in_use_is_said_in_one_line() -> None:
    async with serving() as place:
        taken = settings(listen=f"127.0.0.1:{place.port}")
        app = Face(RememberingGate(), taken, lambda: (True, {}), Advertised())
        with pytest.raises(
            Misconfigured, match=rf"listen: 127.0.0.1:{place.port} is already in use"
        ):
            await http.serve(app, taken, on_ready=lambda _: None)


async def turns_until_all_are_served(count: int) -> int:
    """Of the loop, from when so many have connected."""
    turns = 0
    with anyio.fail_after(20), ExitStack() as stack:
        async with serving() as place:
            waiting = set[socket.socket]()
            for _ in range(count):
                one = stack.enter_context(socket.create_connection((place.host, place.port)))
                one.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                one.setblocking(False)
                waiting.add(one)
            while waiting:
                await asyncio.sleep(0)
                turns += 1
                waiting = {one for one in waiting if not answered(one)}
    return turns


def answered(one: socket.socket) -> bool:
    try:
        return one.recv(4096).startswith(b"HTTP/1.1 200")
    except BlockingIOError:
        return False


def test_many_who_connect_at_once_to_a_busy_gateway_are_taken_within_few_turns() -> None:
    assert uvloop.run(turns_until_all_are_served(96)) < 96 / 2


async def test_a_silent_connection_is_closed_later_than_a_proxy_would_close_it() -> None:
    """Else it is closed while the proxy sends the next request on it."""
    given, body = stateless("tools/call", {"name": "echo", "arguments": {}})
    async with serving() as place, connection(place) as line, asyncio.timeout(160):
        for seconds in (0, 65):
            ahead(seconds)
            await asyncio.sleep(0.01)  # who is silent for too long by now is found to be
            await line.send(headers=given, body=body)
            assert (await line.reply()).status == 200
        ahead(80)
        assert await line.reader.read() == b""


async def test_stopping_ends_open_streams_at_once() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate) as place, httpx2.AsyncClient(headers=ALICE) as carrier:
            transport = streamable_http_client(place.url(), http_client=carrier)
            async with Client(transport, mode="legacy") as agent:
                call = asyncio.ensure_future(agent.call_tool("hang", {}))
                await gate.started.wait()
                place.app.close()
                await gate.ended.wait()
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
    assert [request.params["name"] for request in gate.cancelled] == ["hang"]


async def until_its_end(stream: Connection) -> None:
    """Nothing is said on it before that."""
    while chunk := await stream.chunk():
        assert b"data: {" not in chunk


async def test_who_only_listens_is_let_go_while_a_call_goes_on() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate) as place, connection(place) as line, connection(place) as work:
            speaker = await session(place)
            await speaker.get(line)
            await speaker.start(work, 1, "hang")
            await gate.started.wait()
            place.app.hush()
            await until_its_end(line)
            gate.go.set()
            reply = await work.reply()
    assert (reply.json["id"], "result" in reply.json) == (1, True)
    assert all(one.closed for one in gate.followed)
    assert gate.cancelled == []


PROGRAM = """
import asyncio, sys
from gateway.wire.agents import http
from gateway.wire.agents.face import Face
from tests.wire.agents.house import Advertised, RememberingGate, settings

async def main():
    gate = RememberingGate()
    asyncio.get_running_loop().add_reader(sys.stdin, gate.go.set)
    give_up = gate.go.set if "giving up" in sys.argv else lambda: None
    app = Face(gate, settings(), lambda: (True, {}), Advertised(), give_up=give_up)
    try:
        await http.serve(app, settings(), on_ready=lambda address: print(address, flush=True))
    finally:
        print("closed in order", flush=True)

if "impatient" in sys.argv:
    http._WORK_SECONDS = 0.1
if "giving up" in sys.argv:
    http._WORK_SECONDS = 1
asyncio.run(main())
"""


async def stopped(number: int, *patience: str, ends: bool) -> Reply:
    """What a call hears that is in work when a signal comes; `ends`: it comes to its end once that was heard."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *patience, cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        with anyio.fail_after(20):
            host, _, port = (await process.stdout.readline()).decode().strip().rpartition(":")
            place = Place(RememberingGate(), host, int(port), None)
            speaker = await session(place)
            async with connection(place) as standing, connection(place) as working:
                await speaker.start(working, 1, "hang", notify=True)
                await speaker.get(standing)
                process.send_signal(number)
                await until_its_end(standing)
                if ends:
                    process.stdin.write(b"go")
                last = await working.reply()
                rest = await process.stdout.read()
                status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (rest, status) == (b"closed in order\n", 0)
    return last


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_streams_has_calls_answered_and_lets_the_rest_close_in_order(
    number: int,
) -> None:
    last = await stopped(number, ends=True)
    assert [event.get("id") for event in last.events] == [None, 1]


async def test_a_call_that_does_not_end_is_not_waited_for_when_the_gateway_stops() -> None:
    last = await stopped(signal.SIGTERM, "impatient", ends=False)
    assert [event.get("id") for event in last.events] == [None], "the stream ends without an answer"


async def test_a_call_that_waits_is_told_while_there_is_time_to_answer_it() -> None:
    last = await stopped(signal.SIGTERM, "giving up", ends=False)
    assert [event.get("id") for event in last.events] == [None, 1]
