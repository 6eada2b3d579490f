"""What every adapter of `ports.ToolServer` must do, whatever its wire and the server's era.

Another adapter joins by one line in `WAYS`: a function from limits to an open `ToolServer` whose far
end is `tests/servers/behaviour.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest

from gateway.core.model import Answer, JsonObject, Outcome, RpcError
from gateway.ports import Outbound, ServerUnavailable, ToolServer
from gateway.settings import ServerLimits, ServerSettings
from gateway.wire.servers.http import HttpServer
from gateway.wire.servers.sse_server import SseServer
from gateway.wire.servers.stdio import StdioServer
from tests.clock import ahead
from tests.servers import behaviour, clients
from tests.servers.clients import AGENT, Remembers, call, command, leave, seen, tool

PATIENCE = 20.0
SHORT = 5.0
"""A limit that is to be passed: the clock is moved on. What else the far end is asked has all of it."""


@asynccontextmanager
async def stdio(eras: str, limits: ServerLimits) -> AsyncIterator[ToolServer]:
    settings = ServerSettings(command=command("--eras", eras), limits=limits)
    async with aclosing(StdioServer("tried", settings)) as server:
        yield server


@asynccontextmanager
async def http(eras: str, limits: ServerLimits, *options: str) -> AsyncIterator[ToolServer]:
    words = (sys.executable, "-S", clients.HTTP_SERVER, "--eras", eras, *options)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    url = f"http://127.0.0.1:{port}/mcp"
    server: HttpServer | SseServer
    if options:
        settings = ServerSettings(url=url, limits=limits, transport="sse")
        server = SseServer("tried", settings, None, None, lambda _: None)
    else:
        server = HttpServer("tried", ServerSettings(url=url, limits=limits))
    try:
        yield server
    finally:
        await server.aclose()
        if process.returncode is None:
            process.kill()
        await process.wait()


Way = Callable[[ServerLimits], AbstractAsyncContextManager[ToolServer]]
WAYS: dict[str, Way] = {
    "stdio-sessions": lambda limits: stdio("sessions", limits),
    "stdio-stateless": lambda limits: stdio("stateless", limits),
    "sse-sessions": lambda limits: http("sessions", limits, "--sse"),
    "http-sessions": lambda limits: http("sessions", limits),
    "http-stateless": lambda limits: http("stateless", limits),
}
SESSIONS = [way for way in WAYS if way.endswith("sessions")]
STATELESS = [way for way in WAYS if way.endswith("stateless")]
every_way = pytest.mark.parametrize("open_way", WAYS.values(), ids=WAYS.keys())


def limits(**given: Any) -> ServerLimits:
    return ServerLimits(**given)


@every_way
async def test_a_result_arrives_verbatim_with_members_and_content_types_nobody_knows(
    open_way: Way,
) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "echo", path="/a", number=12345678901234567, ratio=0.1)
    assert outcome.kind == "ok" and outcome.result is not None
    block = outcome.result["content"][0]
    assert block == {"type": "acme/hologram", "depth": 3, "text": "é \u2028 \U0001f600"}
    assert outcome.result["acme"] == 1e16
    arrived = outcome.result["structuredContent"][0]
    assert arrived["arguments"] == {"path": "/a", "number": 12345678901234567, "ratio": 0.1}


@every_way
async def test_other_members_of_meta_reach_the_server(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await server.call(leave(), tool("echo", token="t"), Remembers())
    assert outcome.result is not None
    assert outcome.result["structuredContent"][0]["_meta"]["traceparent"] == "00-ab-cd-01"


@every_way
async def test_a_failing_tool_is_a_tool_error_with_its_result(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "fail")
    result = {"content": [{"type": "text", "text": "no"}], "isError": True}
    assert outcome == Outcome("tool_error", result=result)


@every_way
async def test_a_json_rpc_error_arrives_verbatim_with_its_data(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "reject")
    data = {"requiredCapabilities": {"sampling": {}}, "acme": [None]}
    assert outcome.kind == "rejected"
    assert outcome.error == RpcError(-32021, "Missing capability", data, has_data=True)


@every_way
@pytest.mark.parametrize("token", ["mine", 7, ""])
async def test_progress_comes_before_the_answer_with_the_agents_own_token(
    open_way: Way, token: str | int
) -> None:
    channel = Remembers()
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        await server.call(leave(), tool("progress", token=token), channel)
        told_by_then = list(channel.told)
    steps = [{"progress": step, "total": 1, "_meta": {"acme": step}} for step in (0, 0.5, 1)]
    assert told_by_then == [
        ("notifications/progress", {"progressToken": token, **step}) for step in steps
    ]
    assert [repr(params["progress"]) for _, params in told_by_then] == ["0", "0.5", "1"]


@every_way
async def test_two_agents_with_the_same_progress_token_get_each_their_own(open_way: Way) -> None:
    channels = [Remembers(), Remembers()]
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        await asyncio.gather(
            *(server.call(leave(), tool("progress", token="same"), each) for each in channels)
        )
    assert [len(each.told) for each in channels] == [3, 3]


@every_way
async def test_a_cancelled_caller_cancels_the_call_at_the_server(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        calling = asyncio.create_task(call(server, "hang"))
        while len(await seen(server, "tools/call")) < 2 and not calling.done():
            await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        cancelled = await until_cancelled(server)
        again = await call(server, "echo")
    assert len(cancelled) == 1
    assert again.kind == "ok"


async def until_cancelled(server: ToolServer) -> list[Any]:
    """The ids of requests the server was told nobody waits for."""
    while True:
        outcome = await call(server, "seen")
        assert outcome.result is not None
        cancelled: list[Any] = outcome.result["cancelled"]
        if cancelled:
            return cancelled


async def silent(server: ToolServer, **arguments: Any) -> Outcome:
    """The outcome of a call that reached the server and was not answered within `SHORT`."""
    calling = asyncio.create_task(call(server, "hang", **arguments))
    while not [one for one in await called(server) if one["name"] == "hang"]:
        assert not calling.done()
    ahead(SHORT)
    return await calling


async def called(server: ToolServer) -> list[JsonObject]:
    """The calls that reached the server, but for those that ask for it."""
    arrived = [message["params"] for message in await seen(server, "tools/call")]
    return [params for params in arrived if params["name"] != "seen"]


@every_way
async def test_a_silent_call_is_in_doubt_naming_the_server_and_the_limit(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits(first_byte=SHORT)) as server:
        await server.fetch("tools/list", {})
        outcome = await silent(server)
        cancelled = await until_cancelled(server)
    assert outcome.kind == "in_doubt"
    assert "tried" in outcome.detail and "first_byte" in outcome.detail
    assert len(cancelled) == 1


@every_way
async def test_the_total_limit_holds_though_progress_never_stops(open_way: Way) -> None:
    channel = Remembers()
    async with asyncio.timeout(PATIENCE), open_way(limits(total=SHORT, idle=PATIENCE)) as server:
        await server.fetch("tools/list", {})
        calling = asyncio.create_task(server.call(leave(), tool("drip", token=1), channel))
        while len(channel.told) < 2:
            await asyncio.sleep(0.01)
        ahead(SHORT)
        outcome = await calling
    assert outcome.kind == "in_doubt" and "limits.total" in outcome.detail
    assert len(channel.told) > 1


@every_way
async def test_a_server_dying_mid_call_leaves_the_call_in_doubt_and_is_named(
    open_way: Way,
) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "die")
    assert outcome.kind == "in_doubt"
    assert "tried" in outcome.detail


@every_way
async def test_a_call_is_forwarded_once_whatever_comes_of_it(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits(first_byte=SHORT)) as server:
        await server.fetch("tools/list", {})
        await silent(server, mark=1)
        await call(server, "fail", mark=2)
        await call(server, "reject", mark=3)
        marks = [params["arguments"]["mark"] for params in await called(server)]
    assert marks == [1, 2, 3]


@every_way
async def test_request_ids_are_never_used_twice(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        await asyncio.gather(*(call(server, "echo") for _ in range(20)))
        ids = [message["id"] for message in await seen(server, "tools/call")]
    assert len(ids) == 21 == len(set(ids))


@every_way
async def test_fetch_gives_the_raw_list_with_every_member(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        page = await server.fetch("tools/list", {})
    assert page == {"tools": [behaviour.TOOL], "nextCursor": "", "acme": "kept"}


@every_way
async def test_fetch_of_a_list_the_server_has_not_carries_its_error(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        with pytest.raises(ServerUnavailable, match="tried") as caught:
            await server.fetch("prompts/list", {})
    assert caught.value.error == RpcError(-32601, "Method not found")


@every_way
async def test_discover_tells_the_capabilities_in_either_era(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        told = await server.fetch("server/discover", {})
    assert told["capabilities"] == behaviour.CAPABILITIES
    assert told["instructions"] == "Be kind."


@every_way
async def test_an_answer_over_the_bound_costs_its_own_call_only(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits(max_result=100_000)) as server:
        waiting = asyncio.create_task(call(server, "wait"))
        outcome = await call(server, "big", bytes=1_000_000)
        await call(server, "release")
        other = await waiting
    assert outcome.kind == "in_doubt" and "max_result" in outcome.detail
    assert other.kind == "ok"


@every_way
async def test_an_answer_of_two_megabytes_is_whole(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "big", bytes=2_000_000)
    assert outcome.result is not None
    assert len(outcome.result["content"][0]["text"]) == 2_000_000


@every_way
async def test_over_the_concurrency_limit_nothing_is_forwarded(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits(concurrency=2)) as server:
        await server.fetch("tools/list", {})
        waiting = [asyncio.create_task(call(server, "wait")) for _ in range(2)]
        outcome = await next_rejected(server)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        arrived = await seen(server, "tools/call")
    assert outcome.error is not None and outcome.error.code == 1004
    assert not [message for message in arrived if message["params"]["name"] == "echo"]


async def next_rejected(server: ToolServer) -> Outcome:
    """The outcome of a call made while the two before it are in flight."""
    await asyncio.sleep(0)
    return await call(server, "echo")


@every_way
async def test_a_changed_list_is_news(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        news = server.changes()
        await server.fetch("tools/list", {})
        await call(server, "changed")
        heard = await anext(news)
    assert heard == "notifications/tools/list_changed"


@every_way
async def test_after_closing_nothing_is_forwarded_and_news_end(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        news = server.changes()
        await call(server, "echo")
        await server.aclose()
        outcome = await call(server, "echo")
        heard = [each async for each in news]
    assert outcome.kind == "rejected" and heard == []


@pytest.mark.parametrize("open_way", [WAYS[way] for way in SESSIONS], ids=SESSIONS)
async def test_a_question_of_the_server_reaches_the_agent_and_its_answer_comes_back(
    open_way: Way,
) -> None:
    async def says(method: str, params: JsonObject) -> Answer:
        return Answer(result={"action": "accept", "content": {"ok": True}, "acme": params["acme"]})

    channel = Remembers(says)
    question: JsonObject = {"message": "Sure?", "requestedSchema": {}, "acme": [1]}
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        outcome = await call(server, "ask", channel, method="elicitation/create", params=question)
    assert channel.asked == [("elicitation/create", question)]
    assert outcome.result is not None
    heard = outcome.result["heard"]["result"]
    assert heard == {"action": "accept", "content": {"ok": True}, "acme": [1]}


@pytest.mark.parametrize("open_way", [WAYS[way] for way in STATELESS], ids=STATELESS)
async def test_a_stateless_server_is_told_the_agents_own_capabilities(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        message = Outbound("tools/call", {"name": "echo", "arguments": {}}, AGENT, "agent:a")
        outcome = await server.call(leave(), message, Remembers())
    assert outcome.result is not None
    assert outcome.result["structuredContent"][0]["_meta"] == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": AGENT.capabilities,
        "io.modelcontextprotocol/clientInfo": AGENT.info,
    }


@every_way
async def test_a_fence_ends_what_is_under_way_or_says_that_it_cannot(open_way: Way) -> None:
    async with asyncio.timeout(PATIENCE), open_way(limits()) as server:
        calling = asyncio.create_task(call(server, "hang"))
        while len(await seen(server, "tools/call")) < 2 and not calling.done():
            await asyncio.sleep(0)
        before = server.describe().get("pid")
        fenced = await server.fence()
        if not fenced:
            calling.cancel()
        [ended] = await asyncio.gather(calling, return_exceptions=True)
        again = await call(server, "echo")
        after = server.describe().get("pid")
    assert fenced is (before is not None)
    assert again.kind == "ok"
    if fenced:
        assert isinstance(ended, Outcome) and ended.kind == "in_doubt"
        assert after != before
