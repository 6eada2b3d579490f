"""The stateless era: headers held against the body, statuses by table, streams, and hanging up."""

from __future__ import annotations

import asyncio
import base64
import json
from asyncio import selector_events
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest

from gateway.core.model import Answer, JsonObject, RpcError
from gateway.wire.agents.limits import Limits
from tests.wire.agents.house import BOB, HEADED, RememberingGate, serving
from tests.wire.agents.raw import META, VERSION, call, connection, post, stateless

NAMED = {"name": "echo", "arguments": {}}


def sentinel(value: str) -> str:
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mcp_protocol_version": None}, -32020),
        ({"mcp_protocol_version": "2025-11-25"}, -32020),
        ({"mcp_protocol_version": "2099-01-01"}, -32020),
        ({"mcp_method": None}, -32020),
        ({"mcp_method": "tools/list"}, -32020),
        ({"mcp_method": "Tools/Call"}, -32020),
        ({"mcp_name": None}, -32020),
        ({"mcp_name": "Echo"}, -32020),
        ({"mcp_name": "fail"}, -32020),
        ({"mcp_name": "=?base64?!!?="}, -32020),
        ({"mcp_name": "=?base64?ZWNobx==?="}, -32020),
        ({"mcp_name": sentinel("fail")}, -32020),
        ({"mcp_name": sentinel("echo")}, None),
        ({"mcp_name": "echo"}, None),
    ],
)
async def test_routing_headers_must_say_what_the_body_says(
    changes: dict[str, Any], code: int | None
) -> None:
    async with serving() as place:
        reply = await call(place, params=NAMED, **changes)
    if code is None:
        assert reply.status == 200
    else:
        assert (reply.status, reply.error["code"], reply.json["id"]) == (400, code, 1)
        assert place.gate.requests == []


@pytest.mark.parametrize(
    ("method", "member"),
    [
        ("tools/call", "name"),
        ("prompts/get", "name"),
        ("resources/read", "uri"),
        ("tasks/get", "taskId"),
        ("tasks/update", "taskId"),
        ("tasks/cancel", "taskId"),
    ],
)
async def test_every_method_that_names_a_thing_mirrors_its_name(method: str, member: str) -> None:
    name = "café é/1"
    async with serving(RememberingGate(canned=Answer({}))) as place:
        good = await call(place, method, {member: name}, mcp_name=sentinel(name))
        missing = await call(place, method, {member: name}, mcp_name=None)
        lying = await call(place, method, {member: name}, mcp_name="other")
        unnamed = await call(place, method, {}, mcp_name="other")
    assert good.status == 200
    assert [r.error["code"] for r in (missing, lying, unnamed)] == [-32020] * 3
    assert len(place.gate.requests) == 1


PARAMS = {"name": "headed", "arguments": {"region": "eu", "count": 42}}


@pytest.mark.parametrize(
    ("sent", "fine"),
    [
        ([("Mcp-Param-Region", "eu"), ("Mcp-Param-Count", "42")], True),
        ([("mcp-param-region", sentinel("eu")), ("MCP-PARAM-COUNT", "42.0")], True),
        ([("Mcp-Param-Region", "eu")], False),
        ([("Mcp-Param-Region", "us"), ("Mcp-Param-Count", "42")], False),
        ([("Mcp-Param-Region", "EU"), ("Mcp-Param-Count", "42")], False),
        ([("Mcp-Param-Region", "=?base64?!?="), ("Mcp-Param-Count", "42")], False),
        (
            [("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "eu"), ("Mcp-Param-Count", "42")],
            False,
        ),
        ([], False),
    ],
)
async def test_declared_param_headers_must_say_what_the_arguments_say(
    sent: list[tuple[str, str]], fine: bool
) -> None:
    async with serving() as place:
        reply = await call(place, params=PARAMS, more=sent)
    calls = [r for r in place.gate.requests if r.method == "tools/call"]
    if fine:
        assert (reply.status, calls[0].extra_headers) == (200, ())
    else:
        assert (reply.status, reply.error["code"], calls) == (400, -32020, [])


async def test_a_param_header_without_its_argument_is_refused() -> None:
    sent = [("Mcp-Param-Region", "eu")]
    async with serving() as place:
        reply = await call(place, params={"name": "headed", "arguments": {}}, more=sent)
    assert (reply.status, reply.error["code"]) == (400, -32020)


async def test_param_headers_no_schema_declares_are_forwarded_as_they_came() -> None:
    sent = [("Mcp-Param-Zone", "a"), ("Mcp-Param-Zone", "b"), ("Mcp-Param-Region", "eu")]
    arguments = {"name": "headed", "arguments": {"region": "eu"}}
    async with serving() as place:
        known = await call(place, params=arguments, more=sent)
        unknown = await call(place, params=NAMED, more=sent)
    extra = [request.extra_headers for request in place.gate.requests]
    zones = (("mcp-param-zone", "a"), ("mcp-param-zone", "b"))
    assert (known.status, unknown.status) == (200, 200)
    assert extra == [zones, (*zones, ("mcp-param-region", "eu"))]


async def test_a_hidden_tool_does_not_betray_itself_by_its_param_headers() -> None:
    gate = RememberingGate(canned=Answer({"tools": []}))
    async with serving(gate) as place:
        reply = await call(place, params=PARAMS)
    assert HEADED["properties"]["region"]["x-mcp-header"] == "Region"
    assert reply.status == 200
    assert [request.method for request in gate.requests] == ["tools/list", "tools/call"]


@pytest.mark.parametrize("missing", list(META))
async def test_a_missing_envelope_key_is_invalid_params(missing: str) -> None:
    meta = {key: value for key, value in META.items() if key != missing}
    async with serving() as place:
        reply = await call(place, params={**NAMED, "_meta": meta})
        bare = await call(place, params={**NAMED, "_meta": None})
    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert missing in reply.error["message"]
    assert (bare.status, bare.error["code"]) == (400, -32602)


async def test_an_unknown_version_is_told_the_ones_that_are_served() -> None:
    meta = {**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    async with serving() as place:
        reply = await call(
            place, params={**NAMED, "_meta": meta}, mcp_protocol_version="2099-01-01"
        )
    assert (reply.status, reply.error["code"]) == (400, -32022)
    assert reply.error["data"] == {"supported": [VERSION], "requested": "2099-01-01"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("io.modelcontextprotocol/clientCapabilities", []),
        ("io.modelcontextprotocol/clientInfo", "me"),
        ("io.modelcontextprotocol/clientInfo", {"name": "x" * 100_000}),
    ],
)
async def test_an_envelope_of_the_wrong_shape_is_invalid_params(key: str, value: object) -> None:
    async with serving() as place:
        reply = await call(place, params={**NAMED, "_meta": {**META, key: value}})
    assert (reply.status, reply.error["code"]) == (400, -32602)


async def test_client_facts_come_from_the_envelope_and_the_params_are_untouched() -> None:
    info = {"name": "me", "version": "1", "vendor": True}
    meta = {
        **META,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"vendor": 1}},
        "io.modelcontextprotocol/clientInfo": info,
        "traceparent": "00-1-2-03",
        "example.com/x": [None],
    }
    async with serving() as place:
        await call(place, params={**NAMED, "_meta": meta, "vendor": {"kept": 1}})
    [request] = place.gate.requests
    assert request.client.capabilities == {"elicitation": {"vendor": 1}}
    assert request.client.info == info
    assert request.client.protocol_version == VERSION
    assert request.params == {**NAMED, "_meta": meta, "vendor": {"kept": 1}}
    assert request.session is None


@pytest.mark.parametrize(
    ("code", "gate_status", "status"),
    [
        (-32700, 200, 400),
        (-32600, 200, 400),
        (-32602, 200, 400),
        (-32020, 200, 400),
        (-32021, 200, 400),
        (-32022, 200, 400),
        (-32601, 200, 404),
        (-32603, 200, 200),
        (1234, 200, 200),
        (1002, 502, 502),
        (1234, 403, 403),
    ],
)
async def test_an_error_goes_out_verbatim_under_its_status(
    code: int, gate_status: int, status: int
) -> None:
    error = RpcError(code, "as it was said", {"vendor": [1, None]}, True)
    async with serving(RememberingGate(canned=Answer(None, error, gate_status))) as place:
        reply = await call(place)
    assert reply.status == status
    assert reply.json == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": "as it was said", "data": {"vendor": [1, None]}},
    }


async def test_results_say_that_they_are_complete_and_lists_for_whom_they_hold() -> None:
    async with serving() as place:
        listed = (await call(place, "tools/list", {})).json["result"]
        called = (await call(place)).json["result"]
    assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == (
        "complete",
        0,
        "private",
    )
    assert (called["resultType"], called["vendor"], "ttlMs" in called) == (
        "complete",
        {"field": 1},
        False,
    )


async def test_discovery_is_answered_for_the_caller() -> None:
    async with serving() as place:
        result = (await call(place, "server/discover", {})).json["result"]
    assert result == {
        "resultType": "complete",
        "supportedVersions": [VERSION],
        "capabilities": {"tools": {"listChanged": True}, "logging": {}, "vendor": {"kept": 1}},
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "remembering", "version": "1"}},
        "instructions": "for agent:alice at /mcp",
    }
    assert place.gate.requests == []


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"],
)
async def test_methods_this_era_took_away_are_unknown(method: str) -> None:
    async with serving() as place:
        reply = await call(place, method, {})
    assert (reply.status, reply.error["code"]) == (404, -32601)
    assert "mcp-session-id" not in reply.headers


async def test_a_gate_that_raises_is_a_closed_gate() -> None:
    async with serving() as place:
        reply = await call(place, "vendor/raise", {})
    assert (reply.status, reply.error["data"]) == (500, {"reason": "internal"})
    assert b"never raise" not in reply.body


async def test_notifications_are_acknowledged_and_dropped() -> None:
    body = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
    size = str(len(body))
    good, _ = stateless(content_length=size, mcp_name=None)
    newer, _ = stateless(content_length=size, mcp_protocol_version="2099-01-01")
    async with serving() as place:
        accepted = await post(place, body, good)
        refused = await post(place, body, newer)
    assert (accepted.status, accepted.body) == (202, b"")
    assert (refused.status, refused.error["code"]) == (400, -32022)
    assert place.gate.requests == []


async def test_this_era_takes_no_responses_from_clients() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
    given, _ = stateless(content_length=str(len(body)))
    async with serving() as place:
        reply = await post(place, body, given)
    assert (reply.status, reply.error["code"]) == (400, -32600)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_get_and_delete_are_not_of_this_era(method: str) -> None:
    given, _ = stateless(content_length=None)
    async with serving() as place, connection(place) as line:
        await line.send(method, "/mcp", [*given, ("mcp-session-id", "x")])
        reply = await line.reply()
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_a_session_id_means_nothing_here() -> None:
    async with serving() as place:
        reply = await call(place, mcp_session_id="made-up", last_event_id="s1-1")
    assert reply.status == 200
    assert place.gate.requests[0].session is None


async def test_notifications_open_a_stream_and_all_come_before_the_answer() -> None:
    params = {"name": "progress", "arguments": {}, "_meta": {**META, "progressToken": "p/1"}}
    async with serving() as place:
        reply = await call(place, params=params)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["x-accel-buffering"] == "no"
    *progress, answer = reply.events
    assert [event["params"] for event in progress] == [
        {"progressToken": "p/1", "progress": n, "total": 3, "vendor": "kept"} for n in (1, 2, 3)
    ]
    assert answer["id"] == 1


async def test_an_event_is_sent_the_moment_it_happens() -> None:
    gate = RememberingGate()
    given, body = stateless(params={"name": "hang", "arguments": {"notify": True}})
    with anyio.fail_after(20):
        async with serving(gate) as place, connection(place) as line:
            await line.send(headers=given, body=body)
            await line.head()
            first = await line.event()
            done_at_first = gate.ended.is_set()
            gate.go.set()
            answer = await line.event()
    assert (first["method"], done_at_first, answer["id"]) == ("notifications/progress", False, 1)


async def test_a_quiet_request_becomes_a_stream_that_is_kept_alive() -> None:
    gate = RememberingGate()
    given, body = stateless(params={"name": "hang", "arguments": {}})
    limits = Limits(quiet_stateless=0.02, keep_alive=0.02)
    with anyio.fail_after(20):
        async with serving(gate, limits=limits) as place, connection(place) as line:
            await line.send(headers=given, body=body)
            head = await line.head()
            comments = [await line.chunk() for _ in range(3)]
            gate.go.set()
            answer = await line.event()
    assert head.headers["content-type"] == "text/event-stream"
    assert {comment[:1] for comment in comments} == {b":"}
    assert answer["result"]["resultType"] == "complete"


def test_keep_alives_come_at_least_every_fifteen_seconds() -> None:
    assert Limits().keep_alive <= 15


@pytest.mark.parametrize("streaming", [False, True])
async def test_hanging_up_cancels_the_request(streaming: bool) -> None:
    gate = RememberingGate()
    params: JsonObject = {"name": "hang", "arguments": {"notify": streaming}}
    given, body = stateless(params=params)
    with anyio.fail_after(20):
        async with serving(gate) as place:
            async with connection(place) as line:
                await line.send(headers=given, body=body)
                await gate.started.wait()
                if streaming:
                    await line.head()
                line.hang_up()
            await gate.ended.wait()
    assert [request.params["name"] for request in gate.cancelled] == ["hang"]


@pytest.mark.parametrize(
    ("level", "heard"),
    [(None, []), ("debug", ["debug", "warning"]), ("error", []), ("info", ["warning"])],
)
async def test_log_messages_come_only_to_requests_that_asked(
    level: str | None, heard: list[str]
) -> None:
    meta = META if level is None else {**META, "io.modelcontextprotocol/logLevel": level}
    async with serving() as place:
        reply = await call(place, params={"name": "log", "arguments": {}, "_meta": meta})
    events = reply.events if reply.headers["content-type"] == "text/event-stream" else []
    assert [e["params"]["level"] for e in events if "method" in e] == heard


async def test_a_stateless_client_is_never_asked_anything() -> None:
    async with serving() as place:
        reply = await call(place, params={"name": "sample", "arguments": {}})
    assert (reply.status, reply.error["code"]) == (404, -32601)
    assert place.gate.asked[0].error is not None


async def test_a_request_too_many_is_told_to_come_again() -> None:
    gate = RememberingGate()
    given, body = stateless(params={"name": "hang", "arguments": {}})
    with anyio.fail_after(20):
        async with serving(gate, bounds={"concurrency": 1}) as place, connection(place) as line:
            await line.send(headers=given, body=body)
            await gate.started.wait()
            refused = await call(place)
            gate.go.set()
            await line.reply()
            served = await call(place)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.error["data"] == {"reason": "overloaded"}
    assert served.status == 200


async def test_a_busy_agent_leaves_the_others_a_place() -> None:
    gate = RememberingGate()
    given, body = stateless(params={"name": "hang", "arguments": {}})
    bobs, echo = stateless(authorization=BOB["authorization"])
    with anyio.fail_after(20):
        async with serving(gate, bounds={"concurrency": 4}) as place, AsyncExitStack() as lines:
            for number in range(3):
                line = await lines.enter_async_context(connection(place))
                await line.send(headers=given, body=body)
                while len(gate.requests) <= number:
                    await asyncio.sleep(0)
            refused = await call(place)
            line = await lines.enter_async_context(connection(place))
            await line.send(headers=bobs, body=echo)
            served = await line.reply()
            gate.go.set()
    assert (refused.status, served.status) == (503, 200)


def _writelines_waits() -> bool:
    """CPython 3.12.0 to 3.13.1: asyncio's own `writelines` tells nobody that its buffer is full. uvloop's does,
    and it is what `bulkhead serve` runs on."""
    own = vars(selector_events._SelectorSocketTransport).get("writelines")  # type: ignore[attr-defined]
    return own is None or "_maybe_pause_protocol" in own.__code__.co_names


async def test_a_stalled_reader_slows_its_server_and_grows_nothing(way: str) -> None:
    if way == "lane" and not _writelines_waits():
        pytest.skip("this asyncio's writelines tells nobody that its buffer is full")

    class Chatty(RememberingGate):
        sent = 0

        async def _answer(self, request: Any, channel: Any) -> Answer:
            while True:
                await channel.notify("notifications/progress", {"filler": "x" * 100_000})
                self.sent += 1

    gate = Chatty()
    given, body = stateless()
    with anyio.fail_after(20):
        async with serving(gate) as place:
            async with connection(place) as line:
                line.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await line.send(headers=given, body=body)
                await gate.started.wait()
                before = -1
                while before != gate.sent:
                    before = gate.sent
                    await asyncio.wait({asyncio.ensure_future(gate.ended.wait())}, timeout=0.2)
                line.hang_up()
            await gate.ended.wait()
    # What was written fills the sockets' buffers and one more event. Then the server waits.
    assert 0 < gate.sent < 200
    assert len(gate.cancelled) == 1


async def test_a_reader_that_takes_nothing_for_too_long_is_given_up() -> None:
    class Chatty(RememberingGate):
        async def _answer(self, request: Any, channel: Any) -> Answer:
            for _ in range(1_000):
                await channel.notify("notifications/progress", {"filler": "x" * 100_000})
            return Answer({})

    gate = Chatty()
    given, body = stateless()
    with anyio.fail_after(20):
        async with serving(gate, limits=Limits(write_seconds=0.1)) as place:
            async with connection(place) as line:
                line.writer.transport.pause_reading()  # type: ignore[attr-defined]
                await line.send(headers=given, body=body)
                await gate.ended.wait()
    assert gate.cancelled == []


async def test_two_requests_of_one_id_do_not_meet() -> None:
    async with serving() as place:
        replies = await asyncio.gather(
            *(call(place, params={"name": "echo", "arguments": {"n": n}}) for n in range(10))
        )
    texts = [json.loads(r.json["result"]["content"][0]["text"])["n"] for r in replies]
    assert texts == list(range(10))
