"""The sessions era: whose a session is, what streams and resumes, what a disconnect does not do."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import anyio
import psutil
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from gateway.core.model import Answer, Endpoint, Era, RpcError, WorkloadIdentity
from gateway.ports import About
from gateway.wire.agents.limits import Limits
from tests.wire.agents.house import ALICE, BOB, RememberingGate, serving
from tests.wire.agents.raw import Speaker, connection, initialize, post, session

QUICK = Limits(quiet_sessions=0.02, keep_alive=0.02)

LENGTH = "content-length"
HUGE = "x" * 100_000


def event_ids(raw: bytes) -> list[str]:
    return [line[4:] for line in raw.decode().splitlines() if line.startswith("id: ")]


@pytest.mark.parametrize(
    ("offered", "settled"),
    [(version, version) for version in HANDSHAKE_PROTOCOL_VERSIONS]
    + [("2099-01-01", "2025-11-25"), ("2026-07-28", "2025-11-25"), ("", "2025-11-25")],
)
async def test_a_session_settles_on_a_version(offered: str, settled: str) -> None:
    async with serving() as place:
        speaker = Speaker(place, offered, ALICE)
        reply = await speaker.post(initialize(offered), mcp_protocol_version=None)
    result = reply.json["result"]
    assert (reply.status, result["protocolVersion"]) == (200, settled)
    assert result["serverInfo"] == {"name": "remembering", "version": "1"}
    assert result["capabilities"]["vendor"] == {"kept": 1}
    assert len(reply.headers["mcp-session-id"]) >= 22


async def test_what_a_client_leaves_out_by_null_tool_servers_hear_nothing_of() -> None:
    """A server that is greeted in the client's words may refuse a null: all of this client's calls there failed."""
    said = initialize(roots=None, sampling={"tools": None}, elicitation={"form": {}, "url": None})
    said["params"]["clientInfo"] = {"name": "typed", "version": "1", "title": None, "icons": None}
    async with serving() as place:
        speaker = Speaker(place, "2025-11-25", ALICE)
        opened = await speaker.post(said, mcp_protocol_version=None)
        speaker.id = opened.headers["mcp-session-id"]
        await speaker.call(1, "echo")
    client = place.gate.requests[0].client
    assert client.capabilities == {"sampling": {}, "elicitation": {"form": {}}}
    assert client.info == {"name": "typed", "version": "1"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"protocolVersion": 1, "capabilities": {}},
        {"protocolVersion": "2025-11-25", "capabilities": []},
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": "me"},
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": HUGE}},
        {"protocolVersion": "2025-11-25", "capabilities": {"x": HUGE}},
    ],
)
async def test_an_initialize_of_the_wrong_shape_opens_nothing(params: dict[str, Any]) -> None:
    async with serving() as place:
        speaker = Speaker(place, "2025-11-25", ALICE)
        reply = await speaker.post({"id": 0, "method": "initialize", "params": params})
    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert "mcp-session-id" not in reply.headers


async def test_requests_of_a_session_carry_what_its_client_said() -> None:
    async with serving() as place:
        speaker = await session(place, sampling={"vendor": 1})
        reply = await speaker.call("a", "echo", x=1)
    [request] = place.gate.requests
    assert (request.era, request.session, request.id) == (Era.SESSIONS, speaker.id, "a")
    assert request.client.capabilities == {"sampling": {"vendor": 1}}
    assert request.client.info == {"name": "by hand", "version": "0"}
    assert request.params == {"name": "echo", "arguments": {"x": 1}}
    assert reply.headers["content-type"] == "application/json"
    assert "resultType" not in reply.json["result"]


async def test_no_session_id_is_400_and_an_unknown_one_404() -> None:
    async with serving() as place:
        speaker = await session(place)
        missing = await speaker.post({"id": 1, "method": "ping"}, mcp_session_id=None)
        unknown = await speaker.post({"id": 1, "method": "ping"}, mcp_session_id="made-up")
        version = await speaker.post({"id": 1, "method": "ping"}, mcp_protocol_version="1999")
        unsaid = await speaker.post({"id": 1, "method": "ping"}, mcp_protocol_version=None)
    statuses = [reply.status for reply in (missing, unknown, version, unsaid)]
    assert statuses == [400, 404, 400, 200]
    assert unknown.error == {
        "code": -32001,
        "message": "Session not found",
    }, "hosts know by these that a session is to be opened"


async def test_a_session_of_another_principal_does_not_exist() -> None:
    async with serving() as place:
        alice = await session(place)
        thief = Speaker(place, alice.version, BOB)
        thief.id = alice.id
        spoken = await thief.call(1, "echo")
        never = Speaker(place, alice.version, BOB)
        never.id = "x" * len(alice.id)
        control = await never.call(1, "echo")
        deleted = await thief.delete()
        async with connection(place) as line:
            listened = await thief.get(line)
        still = await alice.call(1, "echo")
        place.gate.tenant = "elsewhere"
        moved = await alice.call(2, "echo")
    assert [r.status for r in (spoken, deleted, listened, moved)] == [404] * 4
    assert spoken.body == control.body
    assert still.status == 200


async def test_a_session_belongs_to_the_endpoint_it_was_opened_at() -> None:
    async with serving() as place:
        speaker = await session(place)
        body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        elsewhere = await post(place, body, speaker.given(body), path="/admin/mcp")
    assert elsewhere.status == 404


async def test_delete_ends_the_session_and_what_is_in_work_in_it() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate) as place, connection(place) as line:
            speaker = await session(place)
            await speaker.start(line, 1, "hang")
            await gate.started.wait()
            ended = await speaker.delete()
            await gate.ended.wait()
            after = await speaker.call(2, "echo")
    assert (ended.status, after.status) == (204, 404)
    assert [request.params["name"] for request in gate.cancelled] == ["hang"]
    [ear] = [request.ear for request in gate.cancelled]
    assert ear is not None and ear.over.said


async def test_an_idle_session_is_over_also_where_nobody_comes_with_another() -> None:
    gate, over = RememberingGate(), asyncio.Event()
    with anyio.fail_after(20):
        async with serving(gate, limits=Limits(session_idle=2)) as place:
            speaker = await session(place)
            await speaker.call(1, "echo")
            [ear] = [request.ear for request in gate.requests]
            assert ear is not None
            ear.over.then(over.set)
            await over.wait()
            after = await speaker.call(2, "echo")
    assert after.status == 404


async def test_ping_and_discovery_are_the_wires_own() -> None:
    async with serving() as place:
        speaker = await session(place)
        pong = await speaker.post({"id": "p", "method": "ping"})
        discovered = await speaker.post({"id": 1, "method": "server/discover"})
    assert pong.json == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert (discovered.status, discovered.error["code"]) == (200, -32601)
    assert place.gate.requests == []


async def test_the_log_level_holds_for_one_session_only() -> None:
    async with serving() as place:
        loud, quiet = await session(place), await session(place)
        level = {"id": 1, "method": "logging/setLevel", "params": {"level": "warning"}}
        wrong = {"id": 2, "method": "logging/setLevel", "params": {"level": "shout"}}
        set_, refused = await quiet.post(level), await quiet.post(wrong)
        heard = [(await speaker.call(3, "log")).events for speaker in (loud, quiet)]
    levels = [[e["params"]["level"] for e in events if "method" in e] for events in heard]
    assert set_.json["result"] == {}
    assert refused.error["code"] == -32602
    assert levels == [["debug", "warning"], ["warning"]]


async def test_that_an_agents_roots_changed_is_known_to_its_next_request() -> None:
    async with serving() as place:
        speaker = await session(place, roots={"listChanged": True})
        await speaker.call(1, "echo")
        noted = await speaker.post({"method": "notifications/roots/list_changed"})
        await speaker.call(2, "echo")
    before, after = (request.client.roots_at for request in place.gate.requests)
    assert (noted.status, before) == (202, 0)
    assert after > 0


@pytest.mark.parametrize(("path", "known"), [("/servers/mute/mcp", False), ("/mcp", True)])
async def test_a_server_without_logging_has_no_log_level_at_its_own_endpoint(
    path: str, known: bool
) -> None:
    class Mute(RememberingGate):
        def about(self, endpoint: Endpoint, identity: WorkloadIdentity) -> About:
            return About({"name": "mute", "version": "1"}, {"tools": {}})

    async with serving(Mute()) as place:
        speaker = await session(place, path=path)
        level = {"id": 1, "method": "logging/setLevel", "params": {"level": "warning"}}
        reply = await speaker.post(level)
    unknown = {"code": -32601, "message": "Method not found"}
    assert (reply.json.get("result"), reply.json.get("error")) == (
        ({}, None) if known else (None, unknown)
    )


async def test_errors_of_this_era_come_in_200_and_verbatim() -> None:
    error = RpcError(-32002, "Resource not found", {"uri": "x://y"}, True)
    async with serving(RememberingGate(canned=Answer(None, error, 404))) as place:
        speaker = await session(place)
        reply = await speaker.post(
            {"id": 1, "method": "resources/read", "params": {"uri": "x://y"}}
        )
    assert (reply.status, reply.error) == (200, error.as_json())


async def test_results_of_a_stateless_server_lose_what_this_era_does_not_know() -> None:
    result = {"resultType": "complete", "ttlMs": 5, "cacheScope": "public", "tools": [], "x": 1}
    async with serving(RememberingGate(canned=Answer(result))) as place:
        speaker = await session(place)
        reply = await speaker.post({"id": 1, "method": "tools/list"})
    assert reply.json["result"] == {"tools": [], "x": 1}


@pytest.mark.parametrize(("version", "primed"), [("2025-06-18", False), ("2025-11-25", True)])
async def test_progress_opens_a_stream_that_can_be_resumed(version: str, primed: bool) -> None:
    async with serving() as place:
        speaker = await session(place, version)
        reply = await speaker.call(1, "progress")
    *progress, answer = reply.events
    assert reply.headers["content-type"] == "text/event-stream"
    assert [event["params"]["progress"] for event in progress] == [1, 2, 3]
    assert answer["id"] == 1
    ids = event_ids(reply.body)
    assert len(ids) == len(set(ids)) == 4 + primed
    assert (b"retry: " in reply.body) is primed


async def test_a_question_is_asked_on_the_calls_own_stream_and_answered_by_post() -> None:
    with anyio.fail_after(20):
        async with serving() as place, connection(place) as line:
            speaker = await session(place, sampling={})
            other = await session(place, sampling={})
            await speaker.start(line, 1, "sample", vendor={"kept": 1})
            await line.head()
            asked = await line.event()
            answer = {"id": asked["id"], "result": {"role": "assistant", "vendor": [1]}}
            foreign = await other.post(answer)
            waiting = list(place.gate.asked)
            taken = await speaker.post(answer)
            final = await line.event()
            again = await speaker.post(answer)
    assert (asked["method"], asked["params"]) == ("sampling/createMessage", {"vendor": {"kept": 1}})
    assert waiting == [], "another session's answer is nobody's"
    assert [r.status for r in (foreign, taken, again)] == [202, 202, 202]
    assert json.loads(final["result"]["content"][0]["text"]) == answer["result"]


async def test_an_error_is_an_answer_too_and_comes_back_verbatim() -> None:
    with anyio.fail_after(20):
        async with serving() as place, connection(place) as line:
            speaker = await session(place, sampling={})
            await speaker.start(line, 1, "sample")
            await line.head()
            asked = await line.event()
            error = {"code": -1, "message": "User rejected", "data": None}
            await speaker.post({"id": asked["id"], "error": error})
            final = await line.event()
    assert final["error"] == error


async def test_a_client_that_did_not_declare_it_is_not_asked() -> None:
    async with serving() as place:
        speaker = await session(place)
        reply = await speaker.call(1, "sample")
    assert (reply.status, reply.error["code"]) == (200, -32601)


@pytest.mark.parametrize("method", ["tools/call", "vendor/run", "initialize", "notifications/x"])
async def test_a_client_is_asked_the_protocols_questions_only(method: str) -> None:
    async with serving() as place, asyncio.timeout(20):
        speaker = await session(place, sampling={}, elicitation={}, roots={}, vendor={})
        reply = await speaker.call(1, "sample", method=method)
    assert (reply.status, reply.error["code"]) == (200, -32601)


async def test_a_disconnect_does_not_cancel_and_the_answer_can_be_fetched() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate, limits=QUICK) as place:
            speaker = await session(place)
            async with connection(place) as line:
                await speaker.start(line, 1, "hang", notify=True)
                await line.head()
                primed = event_ids(await line.chunk())
                await line.event()
                line.hang_up()
            gate.go.set()
            await gate.ended.wait()
            async with connection(place) as line:
                resumed = await speaker.get(line, last_event_id=primed[-1])
                events = [await line.event(), await line.event()]
                end = await line.chunk()
                while end:
                    end = await line.chunk()
    assert gate.cancelled == []
    assert resumed.status == 200
    assert [event.get("method", event.get("id")) for event in events] == [
        "notifications/progress",
        1,
    ]


@pytest.mark.parametrize("fallen_on", ["t1", "progress"])
async def test_what_was_kept_is_withheld_from_who_was_fenced_since(fallen_on: str) -> None:
    with anyio.fail_after(20):
        async with serving() as place:
            speaker = await session(place)
            [first, *_] = event_ids((await speaker.call(1, "progress")).body)
            place.gate.stopped.add(fallen_on)
            async with connection(place) as line:
                stopped = await speaker.get(line, last_event_id=first)
                said = json.loads(await line.reader.readexactly(int(stopped.headers[LENGTH])))
            place.gate.stopped.clear()
            async with connection(place) as line:
                lifted = await speaker.get(line, last_event_id=first)
                told = await line.event()
    assert (stopped.status, said["error"]["data"]["reason"]) == (403, "fenced")
    assert (lifted.status, told["method"]) == (200, "notifications/progress")


async def test_what_waits_on_its_own_stream_is_withheld_from_who_is_fenced() -> None:
    with anyio.fail_after(20):
        async with serving() as place:
            speaker = await session(place)
            place.gate.stopped.add("t1")
            async with connection(place) as line:
                reply = await speaker.get(line)
    assert (reply.status, place.gate.followed) == (403, [])


async def test_resuming_starts_after_the_event_that_was_last_seen() -> None:
    async with serving() as place:
        speaker = await session(place)
        reply = await speaker.call(1, "progress")
        ids = event_ids(reply.body)
        async with connection(place) as line:
            await speaker.get(line, last_event_id=ids[2])
            rest = [await line.event(), await line.event()]
    assert [event.get("params", {}).get("progress") for event in rest] == [3, None]


@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
async def test_a_server_that_hangs_up_to_be_come_back_to_sends_the_agent_away_likewise(
    version: str,
) -> None:
    with anyio.fail_after(20):
        async with serving() as place, connection(place) as line:
            speaker = await session(place, version)
            await speaker.start(line, 1, "pause")
            await place.gate.started.wait()
            if version == "2025-06-18":  # its clients cannot come back to what they never saw
                place.gate.go.set()
                answer = (await line.reply()).json
            else:
                sent_away = await line.reply()
                [id] = event_ids(sent_away.body)
                assert (sent_away.events, b"retry: " in sent_away.body) == ([], True)
                async with connection(place) as again:
                    await speaker.get(again, last_event_id=id)
                    place.gate.go.set()
                    answer = await again.event()
    assert (answer["id"], place.gate.cancelled) == (1, [])


async def test_one_stream_never_replays_another_nor_another_sessions() -> None:
    async with serving() as place:
        mine, other = await session(place), await session(place)
        first = event_ids((await mine.call(1, "progress")).body)
        second = event_ids((await mine.call(2, "progress")).body)
        async with connection(place) as line:
            await mine.get(line, last_event_id=first[0])
            answers = [await line.event() for _ in range(4)]
        async with connection(place) as line:
            foreign = await other.get(line, last_event_id=first[0])
        async with connection(place) as line:
            future = await mine.get(line, last_event_id="s1-99")
    assert not set(first) & set(second)
    assert [answer["id"] for answer in answers if "id" in answer] == [1]
    assert (foreign.status, future.status) == (400, 400)


async def test_an_unheard_request_goes_on_and_is_answered_nowhere() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate) as place:
            speaker = await session(place)
            async with connection(place) as line:
                await speaker.start(line, 1, "hang")
                await gate.started.wait()
                line.hang_up()
            running = await speaker.call(1, "echo")
            gate.go.set()
            await gate.ended.wait()
            free = await speaker.call(1, "echo")
    assert gate.cancelled == []
    assert (running.status, running.error["message"]) == (400, "a request of that id is in work")
    assert free.status == 200


async def test_a_cancellation_ends_the_named_request_of_its_own_session_only() -> None:
    gate = RememberingGate()
    cancel = {"method": "notifications/cancelled", "params": {"requestId": 7}}
    with anyio.fail_after(20):
        async with serving(gate) as place, connection(place) as line:
            mine, other = await session(place), await session(place)
            await mine.start(line, 7, "hang")
            await gate.started.wait()
            foreign = await other.post(cancel)
            by_text = await mine.post({**cancel, "params": {"requestId": "7"}})
            untouched = list(gate.cancelled)
            own = await mine.post(cancel)
            answer = await line.reply()
    assert [r.status for r in (foreign, by_text, own)] == [202] * 3
    assert untouched == []
    assert [request.id for request in gate.cancelled] == [7]
    assert answer.error["code"] == -32800


async def test_a_question_we_stop_waiting_for_is_taken_back() -> None:
    with anyio.fail_after(20):
        async with serving() as place, connection(place) as line:
            speaker = await session(place, sampling={})
            await speaker.start(line, 1, "sample")
            await line.head()
            asked = await line.event()
            await speaker.post({"method": "notifications/cancelled", "params": {"requestId": 1}})
            taken_back, answer = await line.event(), await line.event()
    assert taken_back["method"] == "notifications/cancelled"
    assert taken_back["params"] == {"requestId": asked["id"]}
    assert answer["error"]["code"] == -32800


async def test_there_is_one_standing_stream_at_a_time() -> None:
    with anyio.fail_after(20):
        async with serving(limits=QUICK) as place:
            speaker = await session(place)
            async with connection(place) as first:
                opened = await speaker.get(first)
                primed = await first.chunk()
                async with connection(place) as second:
                    refused = await speaker.get(second)
                comment = await first.chunk()
                [id] = event_ids(primed)
                async with connection(place) as third:
                    taken_over = await speaker.get(third, last_event_id=id)
                    await third.chunk()
                    end = await first.chunk()
                    while end.startswith(b":"):
                        end = await first.chunk()
    assert (opened.status, refused.status, taken_over.status) == (200, 409, 200)
    assert opened.headers["content-type"] == "text/event-stream"
    assert comment.startswith(b":")
    assert end == b""


async def test_get_needs_an_ear_for_events_and_a_session() -> None:
    async with serving() as place:
        speaker = await session(place)
        statuses = []
        for changes in ({"accept": "application/json"}, {"mcp_session_id": None}):
            async with connection(place) as line:
                statuses.append((await speaker.get(line, **changes)).status)
    assert statuses == [406, 405]


async def test_sessions_are_bounded_each_and_altogether() -> None:
    async with serving(limits=Limits(max_sessions=3, max_sessions_each=2)) as place:
        first, second = await session(place), await session(place)
        third = await session(place)
        oldest = await first.post({"id": 1, "method": "ping"})
        others = [await s.post({"id": 1, "method": "ping"}) for s in (second, third)]
        await session(place, who=BOB)
        place.gate.tenant = "elsewhere"
        full = await Speaker(place, "2025-11-25", ALICE).post(initialize())
    assert oldest.status == 404
    assert [reply.status for reply in others] == [200, 200]
    assert full.status == 503


async def test_work_that_lost_its_connection_still_counts() -> None:
    gate = RememberingGate()
    with anyio.fail_after(20):
        async with serving(gate, bounds={"concurrency": 1}) as place:
            speaker = await session(place)
            async with connection(place) as line:
                await speaker.start(line, 1, "hang")
                await gate.started.wait()
                line.hang_up()
            # The door's place is free again once the wire has seen the hang-up; the work's is not.
            while (await speaker.post({"id": 2, "method": "ping"})).status != 200:
                await asyncio.sleep(0)
            refused = await speaker.call(3, "echo")
            gate.go.set()
            await gate.ended.wait()
            served = await speaker.call(4, "echo")
    assert (refused.status, refused.error["data"]) == (503, {"reason": "overloaded"})
    assert served.status == 200


async def test_work_that_lost_its_connection_counts_as_its_agents_for_how_many_it_may_act() -> None:
    gate = RememberingGate()
    statuses = []
    with anyio.fail_after(20):
        async with serving(gate, bounds={"concurrency": 4}) as place:
            for gate.on_behalf_of in ("ann", "ben", "cid"):
                speaker = await session(place)
                async with connection(place) as line:
                    await speaker.start(line, 1, "hang")
                    while gate.requests[-1:] == [] or gate.requests[-1].session != speaker.id:
                        await asyncio.sleep(0)
                    line.hang_up()
                while (await speaker.post({"id": 2, "method": "ping"})).status != 200:
                    await asyncio.sleep(0)
            statuses.append((await speaker.call(3, "echo")).status)
            bobs = await session(place, who=BOB)
            statuses.append((await bobs.call(1, "echo")).status)
            gate.go.set()
    assert statuses == [503, 200]


async def test_a_thousand_idle_sessions_are_cheap() -> None:
    async with serving() as place:
        await session(place)
        before = psutil.Process(os.getpid()).memory_info().rss
        message = {"jsonrpc": "2.0", **initialize()}
        body = json.dumps(message).encode()
        given = Speaker(place, "2025-11-25", ALICE).given(body)
        async with connection(place) as line:
            for _ in range(1_000):
                await line.send(headers=given, body=body)
                assert (await line.reply()).status == 200
        after = psutil.Process(os.getpid()).memory_info().rss
        tasks = len(asyncio.all_tasks())
    assert after - before < 20 * 1024 * 1024
    assert tasks < 20


async def test_batches_of_2025_03_26_are_refused_clearly() -> None:
    async with serving() as place:
        speaker = await session(place, "2025-03-26")
        body = b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'
        reply = await post(place, body, speaker.given(body))
    assert (reply.status, reply.error["code"]) == (400, -32600)
    assert "batches" in reply.error["message"]
