"""gateway.wire.servers.http against real SDK servers of each era."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import Answer, ClientFacts, Effect, Era, JsonObject, Outcome
from gateway.core.record import Permit, Queued, State, permit
from gateway.errors import Misconfigured
from gateway.ports import Outbound, ServerUnavailable
from gateway.settings import ServerSettings, load
from gateway.values import replace
from gateway.wire.servers.http import HttpServer
from tests.clock import ahead
from tests.servers.http_sdk import World, sdk_server

ERAS = ["sessions", "stateless"]
AGENT = ClientFacts("2025-11-25", {"elicitation": {}}, {"name": "agent", "version": "1"})


class Ear:
    """The agent's side: remembers what it heard and was asked, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, JsonObject]] = []
        self.asked: list[tuple[str, JsonObject]] = []

    async def notify(self, method: str, params: JsonObject) -> None:
        self.heard.append((method, params))

    async def ask(self, method: str, params: JsonObject) -> Answer:
        self.asked.append((method, params))
        return Answer(result={"action": "accept", "content": {"name": "Ada"}})


def leave() -> Permit:
    return permit(Queued("call", State.INTENT), Effect.READ)


def tool(name: str, principal: str = "agent:a", **arguments: Any) -> Outbound:
    params = {"name": name, "arguments": arguments, "_meta": {"progressToken": "p-1"}}
    return Outbound("tools/call", params, AGENT, principal)


@asynccontextmanager
async def connected(
    era: str, *, json_response: bool = False, **settings: Any
) -> AsyncIterator[tuple[HttpServer, World]]:
    async with sdk_server(era, json_response=json_response) as (url, world):
        server = HttpServer("fixture", ServerSettings.model_validate({"url": url, **settings}))
        try:
            async with asyncio.timeout(20):
                yield server, world
        finally:
            await server.aclose()


def text(outcome: Outcome) -> str:
    assert outcome.result is not None, outcome
    return str(outcome.result["content"][0]["text"])


@pytest.mark.parametrize("json_response", [True, False])
@pytest.mark.parametrize("era", ERAS)
async def test_a_call_is_answered_in_either_era(era: str, json_response: bool) -> None:
    async with connected(era, json_response=json_response) as (server, world):
        outcome = await server.call(leave(), tool("echo", text="hello"), Ear())
        await server.fetch("server/discover", {})
        about = server.describe()
    assert (outcome.kind, text(outcome)) == ("ok", "hello")
    assert world.done == ["hello"]
    assert about["era"] == era
    assert about["server_info"]["name"] == "fixture"
    assert about["instructions"] == "Be kind."


@pytest.mark.parametrize("era", ERAS)
async def test_the_era_is_asked_for_once(era: str) -> None:
    async with connected(era) as (server, world):
        for _ in range(3):
            await server.call(leave(), tool("echo", text="x"), Ear())
    assert world.methods().count("server/discover") == 1
    # Who can be asked would meet it in a session: whether it opens one is found out once.
    assert world.methods().count("initialize") == 1


@pytest.mark.parametrize("era", ["both", "stateless"])
async def test_who_can_be_asked_meets_a_server_in_a_session_if_it_opens_one(era: str) -> None:
    who = Ear()
    async with connected(era) as (server, world):
        asked = await server.call(leave(), tool("ask"), who)
        mute = replace(tool("echo", text="x"), client=ClientFacts("2025-11-25", {}))
        told = await server.call(leave(), mute, Ear())
        spoken = [
            "mcp-session-id" in headers for _, rpc, headers in world.seen if rpc == "tools/call"
        ]
    assert (told.kind, server.era) == ("ok", Era.STATELESS)
    if era == "both":
        assert (text(asked), spoken) == ("accept {'name': 'Ada'}", [True, False])
    else:
        assert (asked.kind, spoken) == ("rejected", [False, False])


async def test_each_session_of_an_agent_is_a_session_of_its_own_there() -> None:
    async with connected("sessions") as (server, world):
        for session in ("one", "other", "one"):
            await server.call(leave(), replace(tool("echo", text="x"), session=session), Ear())
        one, other, again = (
            headers["mcp-session-id"] for _, rpc, headers in world.seen if rpc == "tools/call"
        )
    assert one == again != other


async def test_a_forced_era_is_not_probed() -> None:
    async with sdk_server("both") as (url, world):
        server = HttpServer("fixture", ServerSettings(url=url, era="sessions"))
        await server.call(leave(), tool("echo", text="x"), Ear())
        await server.aclose()
    assert world.methods()[0] == "initialize"


@pytest.mark.parametrize("era", ERAS)
async def test_a_tool_that_fails_is_a_tool_error(era: str) -> None:
    async with connected(era) as (server, _):
        outcome = await server.call(leave(), tool("fail"), Ear())
    assert outcome.kind == "tool_error"


@pytest.mark.parametrize("era", ERAS)
async def test_a_json_rpc_error_passes_verbatim(era: str) -> None:
    async with connected(era) as (server, _):
        message = Outbound("vendor/nonsense", {}, AGENT, "agent:a")
        outcome = await server.call(leave(), message, Ear())
    assert outcome.kind == "rejected"
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.message) == (-32601, "Method not found")


@pytest.mark.parametrize("era", ERAS)
async def test_progress_comes_in_order_before_the_answer_with_the_agents_own_token(
    era: str,
) -> None:
    ear = Ear()
    async with connected(era) as (server, _):
        outcome = await server.call(leave(), tool("steps"), ear)
    assert text(outcome) == "done"
    assert [method for method, _ in ear.heard] == ["notifications/progress"] * 3
    assert [params["progress"] for _, params in ear.heard] == [1, 2, 3]
    assert {params["progressToken"] for _, params in ear.heard} == {"p-1"}


@pytest.mark.parametrize("era", ERAS)
async def test_cancelling_the_caller_cancels_the_call_at_the_server(era: str) -> None:
    async with connected(era) as (server, world):
        call = asyncio.ensure_future(server.call(leave(), tool("hang"), Ear()))
        await world.started.wait()
        call.cancel()
        await world.cancelled.wait()
        outcome = await server.call(leave(), tool("echo", text="next"), Ear())
    assert call.cancelled()
    assert text(outcome) == "next"
    assert ("notifications/cancelled" in world.methods()) == (era == "sessions")


@pytest.mark.parametrize("era", ERAS)
async def test_a_limit_leaves_the_call_in_doubt_and_names_the_server(era: str) -> None:
    limits = {"first_byte": 20.0, "idle": 20.0, "total": 5.0}
    async with connected(era, limits=limits) as (server, world):
        calling = asyncio.ensure_future(server.call(leave(), tool("hang"), Ear()))
        await world.started.wait()
        ahead(5)
        outcome = await calling
        await world.cancelled.wait()
    assert outcome.kind == "in_doubt"
    assert "fixture" in outcome.detail and "total" in outcome.detail


async def test_a_question_of_the_server_is_put_to_the_agent_and_answered() -> None:
    ear = Ear()
    async with connected("sessions") as (server, world):
        outcome = await server.call(leave(), tool("ask"), ear)
    assert text(outcome) == "accept {'name': 'Ada'}"
    assert [method for method, _ in ear.asked] == ["elicitation/create"]
    assert ear.asked[0][1]["message"] == "Who?"
    assert world.headers_of("initialize")["accept"] == "application/json, text/event-stream"


async def test_waiting_for_the_agent_is_not_the_servers_silence() -> None:
    class Slow(Ear):
        async def ask(self, method: str, params: JsonObject) -> Answer:
            ahead(6)
            await asyncio.sleep(0.01)  # what is late by now is found to be
            return await super().ask(method, params)

    async with connected("sessions", limits={"idle": 5}) as (server, _):
        outcome = await server.call(leave(), tool("ask"), Slow())
    assert text(outcome) == "accept {'name': 'Ada'}"


async def test_a_stream_closed_early_is_taken_up_again_by_its_last_event_id() -> None:
    ear = Ear()
    async with connected("sessions") as (server, world):
        outcome = await server.call(leave(), tool("poll"), ear)
    assert text(outcome) == "polled"
    assert [params["progress"] for _, params in ear.heard] == [1, 2]
    assert world.methods().count("tools/call") == 1
    assert any("last-event-id" in headers for http, _, headers in world.seen if http == "GET")


async def test_each_principal_and_each_set_of_capabilities_has_its_own_session() -> None:
    other = ClientFacts("2025-06-18", {}, {"name": "agent", "version": "1"})
    async with connected("sessions") as (server, world):
        await server.call(leave(), tool("echo", text="1"), Ear())
        await server.call(leave(), tool("echo", text="2"), Ear())
        await server.call(leave(), tool("echo", "agent:b", text="3"), Ear())
        params = {"name": "echo", "arguments": {"text": "4"}}
        await server.call(leave(), Outbound("tools/call", params, other, "agent:a"), Ear())
    calls = [headers for _, rpc, headers in world.seen if rpc == "tools/call"]
    sessions = [headers["mcp-session-id"] for headers in calls]
    assert sessions[0] == sessions[1]
    assert len(set(sessions)) == 3
    assert [headers["mcp-protocol-version"] for headers in calls][2:] == [
        "2025-11-25",
        "2025-06-18",
    ]
    assert world.methods().count("DELETE") == 3


async def test_a_session_the_server_lost_while_idle_is_opened_again_unseen() -> None:
    async with connected("sessions") as (server, world):
        await server.call(leave(), tool("echo", text="1"), Ear())
        world.terminate = True
        outcome = await server.call(leave(), tool("echo", text="2"), Ear())
    assert text(outcome) == "2"
    assert world.done == ["1", "2"]
    assert world.methods().count("initialize") == 2


async def test_stateless_headers_are_made_from_the_body_and_the_schema() -> None:
    async with connected("stateless") as (server, world):
        await server.fetch("tools/list", {})
        outcome = await server.call(leave(), tool("region", region="Zürich"), Ear())
    headers = world.headers_of("tools/call")
    assert text(outcome) == "Zürich"
    assert headers["mcp-protocol-version"] == "2026-07-28"
    assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "region")
    assert headers["mcp-param-region"] == "=?base64?WsO8cmljaA==?="


async def test_of_the_agents_headers_only_undeclared_params_get_out() -> None:
    extra = (
        ("Authorization", "Bearer secret"),
        ("Cookie", "secret=1"),
        ("mcp-param-region", "lie"),
        ("Mcp-Param-Vendor", "kept"),
        ("Mcp-Session-Id", "stolen"),
    )
    call = tool("region", region="truth")
    message = Outbound(call.method, call.params, call.client, call.principal, extra)
    async with connected("stateless") as (server, world):
        await server.fetch("tools/list", {})
        outcome = await server.call(leave(), message, Ear())
    headers = world.headers_of("tools/call")
    assert text(outcome) == "truth"
    assert (headers["mcp-param-region"], headers["mcp-param-vendor"]) == ("truth", "kept")
    assert not {"authorization", "cookie", "mcp-session-id"} & set(headers)
    assert not any("secret" in str(headers) for _, _, headers in world.seen)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "ä"])
async def test_a_header_cannot_be_split(value: str) -> None:
    call = tool("echo", text="x")
    extra = (("Mcp-Param-Vendor", value),)
    message = Outbound(call.method, call.params, call.client, call.principal, extra)
    async with connected("stateless") as (server, world):
        outcome = await server.call(leave(), message, Ear())
    assert outcome.kind == "rejected"
    assert "tools/call" not in world.methods()


@pytest.mark.parametrize("era", ERAS)
async def test_lists_are_fetched_raw_by_the_gateways_own_identity(era: str) -> None:
    async with connected(era) as (server, _):
        tools = await server.fetch("tools/list", {})
        about = await server.fetch("server/discover", {})
        with pytest.raises(ServerUnavailable) as missing:
            await server.fetch("vendor/list", {})
    assert "echo" in [tool["name"] for tool in tools["tools"]]
    assert about["server_info"]["version"] == "1.2.3"
    assert missing.value.error is not None and missing.value.error.code == -32601
    assert "tool server fixture" in str(missing.value)


async def test_another_version_behind_the_same_address_is_known_by_its_list() -> None:
    async with connected("stateless") as (server, world):
        await server.fetch("tools/list", {})
        before = server.describe()["server_info"]["version"]
        world.replaced_by("2.0.0")
        await server.fetch("tools/list", {})
        after = server.describe()["server_info"]
    assert (before, after["version"], after["name"]) == ("1.2.3", "2.0.0", "fixture")
    assert world.methods().count("server/discover") == 1


@pytest.mark.parametrize("era", ERAS)
async def test_a_changed_list_is_told(era: str) -> None:
    async with connected(era) as (server, world):
        changes = server.changes()
        listening = asyncio.ensure_future(anext(changes))
        standing = "GET" if era == "sessions" else "subscriptions/listen"
        while standing not in world.methods():
            await asyncio.sleep(0.01)
        while not listening.done():
            await server.fetch("tools/call", {"name": "change", "arguments": {}})
            await asyncio.wait({listening}, timeout=0.1)
    assert listening.result() == "notifications/tools/list_changed"


async def test_a_server_that_is_not_there_is_unavailable_and_nothing_was_forwarded() -> None:
    async with sdk_server("both") as (url, _):
        pass
    server = HttpServer("gone", ServerSettings(url=url))
    outcome = await server.call(leave(), tool("echo", text="x"), Ear())
    assert outcome.kind == "rejected"
    assert outcome.error is not None and not -32768 <= outcome.error.code <= -32000
    assert "gone" in outcome.detail
    with pytest.raises(ServerUnavailable, match="gone"):
        await server.fetch("tools/list", {})
    assert server.describe()["state"] == "unavailable"


async def test_more_calls_than_the_limit_are_turned_away_at_once() -> None:
    async with connected("stateless", limits={"concurrency": 1}) as (server, world):
        call = asyncio.ensure_future(server.call(leave(), tool("hang"), Ear()))
        await world.started.wait()
        outcome = await server.call(leave(), tool("echo", text="x"), Ear())
        call.cancel()
        await asyncio.wait({call})
    assert outcome.kind == "rejected"
    assert world.done == []


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"url": "http://user:pw@host/"}, "password"),
        ({"url": "http://ho st/"}, "ASCII"),
        ({"url": "http://host/#x"}, "fragment"),
        ({"url": "http://host:99999/"}, "url"),
        ({"url": "http://host/", "headers": {"Host": "x"}}, "itself"),
        ({"url": "http://host/", "headers": {"Mcp-Name": "x"}}, "itself"),
        ({"url": "http://host/", "headers": {"X": "a\r\nb"}}, "printable"),
    ],
)
def test_what_can_never_work_is_refused_at_the_start(settings: JsonObject, word: str) -> None:
    with pytest.raises(Misconfigured, match=word):
        HttpServer("s", ServerSettings.model_validate(settings))


@pytest.mark.parametrize(
    "wrong", ["url: 'http://ho st/'", "url: http://host/\n    headers: {Host: x}"]
)
def test_it_is_refused_at_the_line_that_says_where_the_server_is(
    tmp_path: Path, wrong: str
) -> None:
    file = tmp_path / "bulkhead.yaml"
    file.write_text(f"servers:\n  s:\n    {wrong}\n")
    with pytest.raises(Misconfigured, match=r"bulkhead\.yaml:3: servers\.s\."):
        HttpServer("s", load(file).servers["s"])
