"""What a tool server's answer means, asked of `HttpServer` against servers that answer anything."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Era, JsonObject, Outcome
from gateway.ports import ServerUnavailable
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers.http import HttpServer
from tests.clock import ahead
from tests.servers.http_raw import Heard, Script, Wire, raw_server
from tests.wire.servers.test_http import Ear, leave, tool

MIB = 1024 * 1024
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {}}

MUTE = replace(tool("echo"), client=ClientFacts("2025-11-25", {}))
"""Of an agent that cannot be asked: no session is tried for it at a stateless server."""


def stateless(script: Script) -> Script:
    """A stateless server that answers the probe well and everything else by `script`."""

    async def answered(wire: Wire) -> None:
        if wire.request.rpc.get("method") == "server/discover":
            await wire.answer(DISCOVERED)
        else:
            await script(wire)

    return answered


@asynccontextmanager
async def serving(script: Script, **limits: Any) -> AsyncIterator[tuple[HttpServer, Heard]]:
    async with raw_server(script) as (url, heard):
        settings = ServerSettings.model_validate({"url": url, "limits": limits})
        server = HttpServer("raw", settings)
        try:
            async with asyncio.timeout(20):
                yield server, heard
        finally:
            await server.aclose()


async def outcome_of(script: Script, ear: Ear | None = None, **limits: Any) -> Outcome:
    async with serving(stateless(script), **limits) as (server, heard):
        outcome = await server.call(leave(), tool("echo", text="x"), ear or Ear())
    assert heard.methods().count("tools/call") == 1, "forwarded exactly once"
    return outcome


async def test_an_error_with_a_4xx_passes_verbatim_with_its_data() -> None:
    async def script(wire: Wire) -> None:
        error = {"code": -32021, "message": "needs sampling", "data": {"vendor": [1]}}
        id = wire.request.rpc["id"]
        await wire.json({"jsonrpc": "2.0", "id": id, "error": error}, "400 Bad Request")

    outcome = await outcome_of(script)
    assert outcome.kind == "rejected" and outcome.error is not None
    assert outcome.error.as_json() == {
        "code": -32021,
        "message": "needs sampling",
        "data": {"vendor": [1]},
    }


@pytest.mark.parametrize("status", [401, 403, 404, 405, 406, 413, 415])
async def test_a_status_that_turns_the_request_away_says_nothing_was_done(status: int) -> None:
    async def script(wire: Wire) -> None:
        head = f"HTTP/1.1 {status} No\r\nWWW-Authenticate: Bearer realm=secret\r\n"
        await wire.say(head.encode() + b"Content-Length: 0\r\n\r\n")

    outcome = await outcome_of(script)
    assert outcome.kind == "rejected" and outcome.error is not None
    assert not -32768 <= outcome.error.code <= -32000
    assert outcome.error.data["server"] == "raw"
    assert str(status) in outcome.detail
    assert outcome.turned_away, "which is its own word"
    assert "secret" not in repr(outcome)


@pytest.mark.parametrize("status", [401, 403, 200])
async def test_only_a_credential_that_its_server_would_not_have_is_told_so(status: int) -> None:
    async def script(wire: Wire) -> None:
        head = f"HTTP/1.1 {status} As it may be\r\nContent-Length: 0\r\n\r\n"
        await wire.say(head.encode())

    shown = Credential("lease-1", headers=(("Authorization", "Bearer x"),))
    async with serving(stateless(script)) as (server, heard):
        message = replace(tool("echo", text="x"), credential=shown)
        await server.call(leave(), message, Ear())
    assert heard.methods().count("tools/call") == 1, "never sent again with another one"
    assert shown.turned_away.said is (status == 401)


async def test_a_session_that_is_not_opened_for_a_credential_tells_it_so() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    shown = Credential("lease-1", headers=(("Authorization", "Bearer x"),))

    async def own() -> Credential:
        return shown

    async with raw_server(script) as (url, _):
        settings = ServerSettings.model_validate({"url": url})
        server = HttpServer("raw", settings, own=own)
        async with asyncio.timeout(20):
            with pytest.raises(ServerUnavailable):
                await server.fetch("tools/list", {})
            await server.aclose()
    assert shown.turned_away.said


@pytest.mark.parametrize("status", [202, 204, 302, 307, 400, 409, 429, 500, 502, 503, 504])
async def test_any_other_status_without_an_answer_is_a_doubt(status: int) -> None:
    async def script(wire: Wire) -> None:
        head = f"HTTP/1.1 {status} Hm\r\nLocation: http://127.0.0.1:1/\r\n"
        await wire.say(
            head.encode() + (b"" if status == 204 else b"Content-Length: 0\r\n") + b"\r\n"
        )

    outcome = await outcome_of(script)
    assert outcome.kind == "in_doubt"
    assert outcome.detail.startswith("tool server raw: ")


async def test_an_error_of_someone_in_between_does_not_settle_a_call() -> None:
    async def script(wire: Wire) -> None:
        error = {"code": -32603, "message": "proxy"}
        await wire.json({"jsonrpc": "2.0", "id": None, "error": error}, "502 Bad Gateway")

    assert (await outcome_of(script)).kind == "in_doubt"


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":"other","result":{}}',
        b'{"jsonrpc":"2.0","id":999999,"result":{}}',
        b'{"jsonrpc":"2.0","id":true,"result":{}}',
        b'{"jsonrpc":"2.0","result":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b"{}",
        b"[]",
        b"[1]",
        b"7",
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
)
async def test_what_is_no_answer_to_this_request_is_a_doubt(body: bytes) -> None:
    async def script(wire: Wire) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        await wire.say(head % len(body) + body)

    assert (await outcome_of(script)).kind == "in_doubt"


@pytest.mark.parametrize(
    "wrong", [{"result": 7}, {"result": []}, {}, {"error": "no"}, {"error": {}}]
)
async def test_a_response_with_neither_result_nor_error_is_a_doubt(wrong: dict[str, Any]) -> None:
    async def script(wire: Wire) -> None:
        await wire.json({"jsonrpc": "2.0", "id": wire.request.rpc["id"], **wrong})

    assert (await outcome_of(script)).kind == "in_doubt"


@pytest.mark.parametrize("media", ["text/html", "", "application/x-ndjson"])
async def test_a_body_of_another_kind_is_a_doubt(media: str) -> None:
    async def script(wire: Wire) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: 2\r\n\r\n{{}}"
        await wire.say(head.encode())

    assert "neither JSON nor an event stream" in (await outcome_of(script)).detail


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("said_back", [str, float])
async def test_an_id_may_come_back_as_text_or_with_a_point(said_back: Any, streamed: bool) -> None:
    async def script(wire: Wire) -> None:
        id = said_back(wire.request.rpc["id"])
        if streamed:
            await wire.stream()
            await wire.say(wire.event({"truth": 1}, id=id))
        else:
            await wire.json({"jsonrpc": "2.0", "id": id, "result": {"truth": 1}})

    assert (await outcome_of(script)).result == {"truth": 1}


async def test_other_ids_on_a_stream_are_passed_over() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(wire.event({"lie": 1}, id="another") + wire.event({"truth": 1}))

    assert (await outcome_of(script)).result == {"truth": 1}


async def test_events_of_another_name_are_no_messages() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(b"event: ping\ndata: 2026-11-29 21:00:00\n\n" + wire.event({"truth": 1}))

    assert (await outcome_of(script)).result == {"truth": 1}


async def test_an_answer_counts_even_when_the_stream_then_breaks_off() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        event = wire.event({"truth": 1})
        await wire.say(b"%x\r\n%b\r\n" % (len(event), event))
        wire.close()

    assert (await outcome_of(script)).result == {"truth": 1}


async def test_a_stream_that_ends_without_an_answer_is_a_doubt() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        wire.close()

    assert (await outcome_of(script)).kind == "in_doubt"


async def test_a_stream_that_stalls_is_a_doubt_after_the_limit_idle() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n')

    class Hears(Ear):
        async def notify(self, method: str, params: JsonObject) -> None:
            await super().notify(method, params)
            ahead(5)

    ear = Hears()
    outcome = await outcome_of(script, ear, idle=5)
    assert "idle" in outcome.detail
    assert ear.heard == [("notifications/x", {})]


async def test_a_request_on_a_stateless_stream_is_dropped() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        push = {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}}
        await wire.say(b"data: " + json.dumps(push).encode() + b"\n\n" + wire.event({}))

    ear = Ear()
    assert (await outcome_of(script, ear)).kind == "ok"
    assert ear.heard == [] and ear.asked == []


@pytest.mark.parametrize("media", ["application/json", "text/event-stream"])
async def test_a_message_over_the_limit_is_a_doubt_and_memory_stays_bounded(media: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.say(f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\ndata: ".encode())
        while True:
            await wire.say(b"y" * 65_536)

    tracemalloc.start()
    outcome = await outcome_of(script, max_result=2 * MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "max_result" in outcome.detail
    assert peak < 12 * MIB


@pytest.mark.parametrize("framing", ["json", "event"])
async def test_a_result_of_four_mebibytes_passes_by_default(framing: str) -> None:
    big = {"content": [{"type": "text", "text": "x" * 4 * MIB}], "vendor": {"kept": [1, None]}}

    async def script(wire: Wire) -> None:
        if framing == "json":
            await wire.answer(big)
        else:
            await wire.stream()
            await wire.say(wire.event(big))
            wire.close()

    assert (await outcome_of(script)).result == big


async def test_a_refused_or_hanging_probe_forwards_nothing_and_is_asked_again() -> None:
    statuses = ["503 Busy", "401 No", "302 Go"]

    async def script(wire: Wire) -> None:
        if statuses:
            await wire.say(f"HTTP/1.1 {statuses.pop()}\r\nContent-Length: 0\r\n\r\n".encode())
        elif wire.request.rpc["method"] == "server/discover":
            await wire.answer(DISCOVERED)
        else:
            await wire.answer({"at": "last"})

    async with serving(script) as (server, heard):
        outcomes = [await server.call(leave(), MUTE, Ear()) for _ in range(4)]
    assert [outcome.kind for outcome in outcomes] == ["rejected"] * 3 + ["ok"]
    assert heard.methods() == ["server/discover"] * 4 + ["tools/call"]


@pytest.mark.parametrize("era", ["auto", "sessions"])
async def test_where_a_redirect_leads_is_told_and_nothing_goes_there(era: str) -> None:
    async def script(wire: Wire) -> None:
        to = b"http://127.0.0.1:1/mcp/\xe9?token=x"
        await wire.say(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % to)

    async with raw_server(script) as (url, heard):
        server = HttpServer("raw", ServerSettings.model_validate({"url": url, "era": era}))
        async with asyncio.timeout(20):
            with pytest.raises(ServerUnavailable) as told:
                await server.fetch("tools/list", {})
        await server.aclose()
    assert str(told.value).endswith(r"HTTP 307, a redirect to 'http://127.0.0.1:1/mcp/\xe9'")
    assert len(heard.requests) == 1


async def test_who_fails_at_the_probe_is_told_with_what_to_write() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    async with serving(script) as (server, _):
        with pytest.raises(ServerUnavailable, match="HTTP 500 to server/discover; era: sessions"):
            await server.fetch("tools/list", {})


PROBES: list[tuple[str, dict[str, Any], str | None]] = [
    ("200 OK", {"result": DISCOVERED}, "stateless"),
    ("200 OK", {"result": {"supportedVersions": ["2025-11-25"]}}, "sessions"),
    ("200 OK", {"result": {}}, "sessions"),
    ("200 OK", {"error": {"code": -32601, "message": "no"}}, "sessions"),
    ("400 Bad", {"error": {"code": -32000, "message": "no session"}}, "sessions"),
    ("400 Bad", {"error": {"code": -32020, "message": "headers"}}, "stateless"),
    ("400 Bad", {"error": {"code": -32022, "message": "v", "data": {"supported": ["2025-11-25"]}}}, "sessions"),
    ("400 Bad", {"error": {"code": -32022, "message": "v", "data": {"supported": ["2099-01-01"]}}}, None),
    ("404 Not", {"hello": "world"}, "sessions"),
    ("405 Not", {}, "sessions"),
    ("500 Oops", {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said", "era"), PROBES)
async def test_the_probe_concludes_from_the_body(
    status: str, said: dict[str, Any], era: str | None
) -> None:
    async def script(wire: Wire) -> None:
        match wire.request.rpc.get("method"):
            case "server/discover":
                await wire.json({"jsonrpc": "2.0", "id": wire.request.rpc["id"], **said}, status)
            case "initialize":
                await wire.answer({"protocolVersion": "2025-11-25", "capabilities": {}})
            case _:
                await wire.answer({})

    async with serving(script) as (server, _):
        outcome = await server.call(leave(), tool("echo"), Ear())
        described = server.describe()["era"]
    assert (described, outcome.kind) == (era, "ok" if era else "rejected")


async def test_a_server_that_changes_its_era_is_probed_again() -> None:
    era = Era.STATELESS

    async def script(wire: Wire) -> None:
        method = wire.request.rpc.get("method")
        if era is Era.STATELESS:
            await wire.answer(DISCOVERED if method == "server/discover" else {"by": "stateless"})
        elif method == "initialize":
            await wire.answer({"protocolVersion": "2025-06-18", "capabilities": {}})
        elif "mcp-protocol-version: 2026" in wire.request.head.lower():
            error = {"code": -32000, "message": "Bad Request: Unsupported protocol version"}
            await wire.json({"jsonrpc": "2.0", "id": "server-error", "error": error}, "400 Bad")
        else:
            await wire.answer({"by": "sessions"})

    async with serving(script) as (server, heard):
        first = await server.call(leave(), MUTE, Ear())
        era = Era.SESSIONS
        turned_away = await server.call(leave(), MUTE, Ear())
        after = await server.call(leave(), MUTE, Ear())
    assert first.result == {"by": "stateless"}
    assert turned_away.kind == "rejected"
    assert after.result == {"by": "sessions"}
    assert heard.methods().count("server/discover") == 2


async def test_one_agent_that_gets_no_session_leaves_the_others_theirs() -> None:
    async def both(wire: Wire) -> None:
        info = wire.request.rpc.get("params", {}).get("clientInfo")
        if info == odd.info:
            error = {"code": -32602, "message": "clientInfo: no version"}
            rpc = {"jsonrpc": "2.0", "id": wire.request.rpc["id"], "error": error}
            await wire.json(rpc, "400 Bad Request")
        elif wire.request.rpc.get("method") == "initialize":
            await wire.answer({"protocolVersion": "2025-11-25", "capabilities": {}})
        elif wire.request.rpc.get("method") == "tools/call":
            in_session = "MCP-Protocol-Version: 2025-11-25" in wire.request.head
            await wire.answer({"in_session": in_session})
        else:
            await wire.say(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")

    odd = ClientFacts("2025-11-25", {"elicitation": {}}, {"name": "odd"})
    async with serving(stateless(both)) as (server, heard):
        calls = [replace(tool("echo", "agent:odd"), client=odd)] * 2 + [tool("echo")]
        outcomes = [await server.call(leave(), call, Ear()) for call in calls]
    assert [outcome.result for outcome in outcomes] == [
        {"in_session": False},
        {"in_session": False},
        {"in_session": True},
    ]
    assert heard.methods().count("initialize") == 2, "no session is asked for again and again"


async def test_a_stale_connection_leaves_a_call_in_doubt_and_a_read_is_asked_again() -> None:
    async def script(wire: Wire) -> None:
        calls = [
            request for request in heard.requests if request.rpc["method"] != "server/discover"
        ]
        if len(calls) in (1, 2):
            wire.close()
        else:
            await wire.answer({"tools": []})

    async with serving(stateless(script)) as (server, heard):
        outcome = await server.call(leave(), MUTE, Ear())
        await server.fetch("server/discover", {})
        tools = await server.fetch("tools/list", {})
    assert outcome.kind == "in_doubt"
    assert tools == {"tools": []}
    assert [method for method in heard.methods() if method != "server/discover"] == [
        "tools/call",
        "tools/list",
        "tools/list",
    ]


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_the_tasks_extension_names_its_task(method: str) -> None:
    from gateway.ports import Outbound
    from tests.wire.servers.test_http import AGENT

    async def script(wire: Wire) -> None:
        await wire.answer({})

    async with serving(stateless(script)) as (server, heard):
        message = Outbound(method, {"taskId": "t 1"}, AGENT, "agent:a")
        assert (await server.call(leave(), message, Ear())).kind == "ok"
    assert "Mcp-Name: t 1\r\n" in heard.requests[-1].head


async def test_every_request_has_an_id_of_its_own() -> None:
    async def script(wire: Wire) -> None:
        await wire.answer({})

    async with serving(stateless(script)) as (server, heard):
        await asyncio.gather(*(server.call(leave(), MUTE, Ear()) for _ in range(20)))
    ids = [request.rpc["id"] for request in heard.requests]
    assert len(ids) == len(set(ids)) == 21


@pytest.mark.parametrize("hangs_at", ["server/discover", "initialize"])
async def test_a_server_that_hangs_at_the_door_costs_everyone_one_limit_not_one_each(
    hangs_at: str,
) -> None:
    async def script(wire: Wire) -> None:
        if wire.request.rpc["method"] == "server/discover" and hangs_at != "server/discover":
            await wire.json({"jsonrpc": "2.0", "id": None, "error": {}}, "400 Bad")

    async with serving(script, first_byte=1.0) as (server, heard):
        calls = [server.call(leave(), tool("echo"), Ear()) for _ in range(20)]
        outcomes = await asyncio.gather(*calls)
    assert {outcome.kind for outcome in outcomes} == {"rejected"}
    assert heard.methods().count(hangs_at) == 1


async def test_a_caller_that_leaves_while_the_era_is_found_takes_nobody_along() -> None:
    release = asyncio.Event()

    async def script(wire: Wire) -> None:
        if wire.request.rpc["method"] == "server/discover":
            await release.wait()
            await wire.answer(DISCOVERED)
        else:
            await wire.answer({})

    async with serving(script) as (server, heard):
        calls = [asyncio.ensure_future(server.call(leave(), tool("echo"), Ear())) for _ in range(2)]
        while not heard.requests:
            await asyncio.sleep(0)
        calls[0].cancel()
        release.set()
        outcome = await calls[1]
    assert calls[0].cancelled() and outcome.kind == "ok"


async def test_true_is_not_the_id_one() -> None:
    async def script(wire: Wire) -> None:
        rpc = wire.request.rpc
        if rpc.get("method") == "server/discover":
            assert rpc["id"] == 1
            await wire.json({"jsonrpc": "2.0", "id": True, "result": DISCOVERED})
        elif rpc.get("method") == "initialize":
            await wire.answer({"protocolVersion": "2025-11-25", "capabilities": {}})
        else:
            await wire.answer({})

    async with serving(script) as (server, _):
        await server.call(leave(), tool("echo"), Ear())
        era = server.describe()["era"]
    assert era == "sessions"
