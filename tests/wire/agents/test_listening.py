"""What an agent is told unasked, in either era, over a real socket (checklist L1, L3, L4, L5, O3, O6)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import anyio
import pytest

from gateway.core.model import ClientFacts, Endpoint, Evidence, JsonObject
from gateway.values import replace
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.listening import follow
from gateway.wire.agents.replay import Budget, Shelf
from gateway.wire.agents.session import Session
from tests.wire.agents.house import Followed, Place, RememberingGate, serving
from tests.wire.agents.raw import Connection, Speaker, call, connection, session, stateless

ID = "io.modelcontextprotocol/subscriptionId"
CHANGED = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"


async def listening(line: Connection, **notifications: Any) -> JsonObject:
    """An open listen; what was acknowledged."""
    given, body = stateless("subscriptions/listen", {"notifications": notifications})
    await line.send(headers=given, body=body)
    assert (await line.head()).headers["content-type"] == "text/event-stream"
    return await line.event()


async def test_l1_the_first_message_says_what_is_honoured_and_nothing_more() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            first = await listening(
                line,
                toolsListChanged=True,
                promptsListChanged=True,  # this endpoint has no prompts
                resourceSubscriptions=["test://a", "test://hidden"],
                taskIds=["t1"],
                vendorThings=True,
            )
        [followed] = place.gate.followed
    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert first["params"] == {
        "notifications": {
            "toolsListChanged": True,
            "resourceSubscriptions": ["test://a"],
            "taskIds": ["t1"],
        },
        "_meta": {ID: 1},
    }
    assert followed.kinds == {"tools"}


async def test_l3_l4_what_is_named_is_decided_like_a_read_of_its_own() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            await listening(line, resourceSubscriptions=["test://a"], taskIds=["t1"])
        [followed] = place.gate.followed
    asked = [
        (one.method, one.params.get("uri"), one.params.get("taskId")) for one in followed.subscribed
    ]
    assert asked == [("resources/subscribe", "test://a", None), ("tasks/get", None, "t1")]
    assert {one.identity.agent for one in followed.subscribed} == {"agent:alice"}


async def test_l1_every_message_carries_our_own_subscription_id() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            await listening(line, toolsListChanged=True)
            [followed] = place.gate.followed
            followed.told(CHANGED, {})
            followed.told(UPDATED, {"uri": "test://a", "_meta": {ID: "theirs", "acme": 1}})
            heard = [await line.event(), await line.event()]
    assert heard[0]["params"] == {"_meta": {ID: 1}}
    assert heard[1]["params"] == {"uri": "test://a", "_meta": {ID: 1, "acme": 1}}


async def test_what_a_slow_reader_has_not_taken_waits_once() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            await listening(line, toolsListChanged=True)
            [followed] = place.gate.followed
            for number in range(1000):
                followed.told(UPDATED, {"uri": "test://a", "number": number})
            heard = await line.event()
            followed.told(CHANGED, {})
            after = await line.event()
    assert heard["params"]["number"] == 999
    assert after["method"] == CHANGED


async def test_a_listen_ends_with_a_result_when_the_gateway_stops() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            await listening(line, toolsListChanged=True)
            place.app.close()
            last = await line.event()
        [followed] = place.gate.followed
    assert last["result"] == {"resultType": "complete", "_meta": {ID: 1}}
    assert followed.closed


async def test_a_stream_ends_with_its_token_by_the_clock_that_tokens_are_judged_by() -> None:
    async with serving() as place, connection(place) as line, connection(place) as other:
        async with asyncio.timeout(20):
            speaker = await session(place)
            place.gate.now = lambda: place.gate.expires_at  # the machine's was set back
            await listening(line, toolsListChanged=True)
            last = await line.event()
            await speaker.get(other)
            while await other.chunk():
                pass
    assert last["result"] == {"resultType": "complete", "_meta": {ID: 1}}


async def test_a_listen_nobody_reads_any_more_is_followed_no_longer() -> None:
    async with serving() as place:
        async with asyncio.timeout(20):
            async with connection(place) as line:
                await listening(line, toolsListChanged=True)
                line.hang_up()
            [followed] = place.gate.followed
            while not followed.closed:
                await asyncio.sleep(0.01)
    assert followed.closed


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"notifications": []},
        {"notifications": {"resourceSubscriptions": "test://a"}},
        {"notifications": {"resourceSubscriptions": [1]}},
        {"notifications": {"taskIds": [str(n) for n in range(300)]}},
    ],
)
async def test_a_listen_for_nothing_sensible_is_refused(params: JsonObject) -> None:
    async with serving() as place:
        reply = await call(place, "subscriptions/listen", params)
    assert (reply.status, reply.error["code"]) == (400, -32602)
    assert place.gate.followed == []


async def test_one_agent_has_so_many_listens_and_no_more() -> None:
    limits = Limits(max_listens_each=1)
    async with serving(limits=limits) as place, connection(place) as line:
        async with asyncio.timeout(20):
            await listening(line, toolsListChanged=True)
            reply = await call(place, "subscriptions/listen", {"notifications": {}})
    assert reply.status == 503


async def test_a_session_is_told_on_its_own_stream() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            speaker = await session(place)
            await speaker.get(line)
            followed = await first(place)
            followed.told(CHANGED, {})
            heard = await line.event()
    assert heard == {"jsonrpc": "2.0", "method": CHANGED}
    assert followed.kinds == {"tools"}


LOGGED = "notifications/message"


async def test_what_is_logged_after_a_call_is_told_where_a_session_listens() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            speaker = await session(place)
            await speaker.call(1, "echo")
            [request] = place.gate.requests
            assert request.ear is not None
            request.ear.tell(LOGGED, {"level": "info", "data": "before it listens"})
            await speaker.get(line)
            await first(place)
            await speaker.post({"id": 2, "method": "logging/setLevel", "params": {"level": "info"}})
            request.ear.tell(LOGGED, {"level": "debug", "data": "below its level"})
            place.gate.stopped = {"t1"}
            request.ear.tell(LOGGED, {"level": "info", "data": "while it is stopped"})
            place.gate.stopped = set()
            request.ear.tell(LOGGED, {"level": "info", "data": "heard"})
            heard = await line.event()
            await speaker.delete()
            request.ear.tell(LOGGED, {"level": "info", "data": "after its end"})
    assert heard["params"] == {"level": "info", "data": "heard"}


async def test_what_waits_to_be_read_is_dropped_where_it_may_not_be_told_any_more() -> None:
    fenced = False
    async with serving() as place:
        async with asyncio.timeout(20):
            speaker = await session(place)
            await speaker.call(1, "echo")
            [request] = place.gate.requests
            assert request.ear is not None
            asked = {"id": 2, "method": "resources/subscribe", "params": {"uri": "a://b"}}
            await speaker.post(asked)
            request.ear.tell(LOGGED, {"level": "info", "data": "stopped"}, lambda: not fenced)
            request.ear.tell(LOGGED, {"level": "info", "data": "heard"})
            fenced = True
            async with connection(place) as line:
                await speaker.get(line)
                heard = await line.event()
    assert heard["params"]["data"] == "heard"


@pytest.mark.parametrize(("lasts", "heard"), [(60, ["x"]), (0, [])])
async def test_it_is_told_by_the_newest_token_while_that_lasts(
    lasts: int, heard: list[str]
) -> None:
    gate, told = RememberingGate(), list[Any]()
    endpoint = Endpoint("all")
    gate.was_met.add(endpoint)
    who = await gate.identify(Evidence(("Bearer alice-token",), endpoint))
    limits = Limits()
    one = Session(endpoint, "", ClientFacts("2025-11-25"), Shelf(Budget(1000), limits), 0)
    for seconds in (30, lasts):
        known = replace(who, expires_at=int(time.time()) + seconds)
        follow(gate, one, known, lambda _, params, *__: told.append(params["data"]))
    one.ear.tell(LOGGED, {"data": "x"})
    assert told == heard


async def test_what_waits_for_a_reader_is_told_by_the_token_it_comes_back_with() -> None:
    gate, waiting = RememberingGate(), list[Any]()
    endpoint = Endpoint("all")
    gate.was_met.add(endpoint)
    who = await gate.identify(Evidence(("Bearer alice-token",), endpoint))
    limits, now = Limits(), int(time.time())
    one = Session(endpoint, "", ClientFacts("2025-11-25"), Shelf(Budget(1000), limits), 0)
    follow(gate, one, replace(who, expires_at=now + 60), lambda *said: waiting.append(said[2:]))
    one.ear.tell(LOGGED, {"data": "x"})
    gate.now = lambda: now + 90
    [(still,)] = waiting
    before = still()
    follow(gate, one, replace(who, expires_at=now + 120), lambda *_: None)
    assert (before, still()) == (False, True)


async def first(place: Place) -> Followed:
    while not place.gate.followed:
        await asyncio.sleep(0.01)
    return place.gate.followed[0]


async def test_o6_a_session_subscribes_and_unsubscribes_and_hears_between() -> None:
    async with serving() as place, connection(place) as line:
        async with asyncio.timeout(20):
            speaker = await session(place)
            await speaker.get(line)
            uri: JsonObject = {"uri": "test://a"}
            one = await speaker.post({"id": 1, "method": "resources/subscribe", "params": uri})
            followed = await first(place)
            followed.told(UPDATED, uri)
            heard = await line.event()
            two = await speaker.post({"id": 2, "method": "resources/unsubscribe", "params": uri})
    assert one.json["result"] == {} and two.json["result"] == {}
    assert heard["params"] == uri
    assert [r.params for r in followed.subscribed] == [uri]
    assert [r.params for r in followed.unsubscribed] == [uri]
    assert len(place.gate.followed) == 1


async def test_o6_what_a_session_may_not_read_it_cannot_subscribe_to() -> None:
    async with serving() as place:
        speaker = await session(place)
        hidden: JsonObject = {"uri": "test://hidden"}
        reply = await speaker.post({"id": 1, "method": "resources/subscribe", "params": hidden})
    assert reply.error["code"] == -32602


async def test_what_is_asked_while_a_session_subscribes_comes_on_that_requests_stream() -> None:
    with anyio.fail_after(20):
        async with serving() as place, connection(place) as line:
            speaker = await session(place, sampling={})
            params = {"uri": "test://asking"}
            subscribe = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "resources/subscribe",
                "params": params,
            }
            body = json.dumps(subscribe).encode()
            await line.send(headers=speaker.given(body), body=body)
            await line.head()
            asked = await line.event()
            await speaker.post({"id": asked["id"], "result": {"role": "assistant"}})
            answered = await line.event()
    assert (asked["method"], asked["params"]) == ("sampling/createMessage", {"vendor": {"kept": 1}})
    assert answered["result"] == {"role": "assistant"}


A: JsonObject = {"uri": "test://a"}


async def subscriber(place: Place) -> tuple[Speaker, Followed]:
    """A session that watches a resource, and what its server tells of it by."""
    speaker = await session(place)
    await speaker.post({"id": 1, "method": "resources/subscribe", "params": A})
    return speaker, await first(place)


async def test_what_a_sessions_reader_has_not_taken_waits_once_and_is_bounded() -> None:
    async with serving() as place:
        async with asyncio.timeout(20):
            speaker, followed = await subscriber(place)
            for _ in range(100):
                followed.told(UPDATED, A)
            for number in range(1000):
                followed.told(UPDATED, {"uri": f"test://{number}"})
            async with connection(place) as line:
                await speaker.get(line)
                heard = [json.dumps(await line.event()) for _ in range(256)]
    assert len(set(heard)) == 256


async def test_log_messages_that_nobody_takes_leave_room_for_what_is_watched() -> None:
    async with serving() as place:
        async with asyncio.timeout(20):
            speaker, followed = await subscriber(place)
            for number in range(1000):
                followed.told(LOGGED, {"level": "info", "data": number})
            followed.told(UPDATED, A)
            async with connection(place) as line:
                await speaker.get(line)
                heard = await line.event()
                while heard["method"] == LOGGED:
                    heard = await line.event()
    assert heard["params"] == A


async def test_a_sessions_end_ends_what_it_follows() -> None:
    async with serving() as place:
        async with asyncio.timeout(20):
            speaker, followed = await subscriber(place)
            await speaker.delete()
    assert followed.closed


async def test_a_session_knows_no_listen() -> None:
    async with serving(RememberingGate()) as place:
        speaker = await session(place)
        reply = await speaker.post({"id": 1, "method": "subscriptions/listen", "params": {}})
    assert reply.error["code"] == -32601
    assert place.gate.requests == []
