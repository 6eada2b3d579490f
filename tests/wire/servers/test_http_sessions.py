"""gateway.wire.servers.http_sessions and http_exchange against a session server that loses, splits and repeats."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from itertools import count
from typing import Any

import pytest

from gateway.core.model import Answer, ClientFacts, Endpoint, JsonObject
from gateway.core.over import Ear as AgentsEar
from gateway.core.over import Over
from gateway.ports import Outbound
from gateway.values import replace
from gateway.wire.agents import mirrored
from gateway.wire.agents.admitted import Admitted
from gateway.wire.agents.exchange import Head
from gateway.wire.agents.messages import Call
from gateway.wire.servers import http_exchange, http_sessions
from tests.servers.http_raw import Script, Wire
from tests.wire.agents.raw import META, VERSION
from tests.wire.servers.test_http import AGENT, Ear, connected, leave, tool
from tests.wire.servers.test_http_link import serving

HELLO: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "serverInfo": {"name": "s"},
}


def sessions(script: Script, session_id: str = "") -> Script:
    """A session server: greets by the protocol, and does the rest by `script`. Its sessions are s-1, s-2 and so on;
    `session_id`: of all of them."""
    ids = (f"s-{number}" for number in count(1))

    async def greeted(wire: Wire) -> None:
        rpc = wire.request.rpc
        if wire.request.head.startswith("DELETE"):
            await accepted(wire)
        elif rpc.get("method") == "server/discover":
            error = {"code": -32000, "message": "no"}
            await wire.json({"jsonrpc": "2.0", "id": None, "error": error}, "400 Bad")
        elif rpc.get("method") == "initialize":
            body = json.dumps({"jsonrpc": "2.0", "id": rpc["id"], "result": HELLO}).encode()
            head = (
                f"HTTP/1.1 200 OK\r\nMcp-Session-Id: {session_id or next(ids)}\r\n"
                "Content-Type: application/json"
            )
            await wire.say(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        elif rpc.get("method", "").startswith("notifications/") or ("method" not in rpc and rpc):
            await accepted(wire)
        else:
            await script(wire)

    return greeted


async def answers(wire: Wire) -> None:
    """A script: an empty result to whatever is asked."""
    await wire.answer({})


LATER = ("notifications/message", "notifications/tasks/status", "notifications/vendor/other")


def speaking(script: Script, after: asyncio.Event) -> Script:
    """On each session's own stream it says something later: of a call that is over, of a task, in words of its own."""
    later = {"level": "info", "data": "later"}

    async def said(wire: Wire) -> None:
        if not wire.request.head.startswith("GET"):
            await script(wire)
            return
        await wire.stream()
        await after.wait()
        for method in ("notifications/progress", *LATER):
            note = {"jsonrpc": "2.0", "method": method, "params": later}
            await wire.say(f"data: {json.dumps(note)}\n\n".encode())
        await asyncio.sleep(60)

    return said


async def test_a_list_that_changed_after_a_call_is_news_in_whatever_session_it_is_told() -> None:
    changed = "notifications/tools/list_changed"
    own = asyncio.Event()

    async def script(wire: Wire) -> None:
        if not wire.request.head.startswith("GET"):
            await wire.answer({})
        elif not own.is_set():
            own.set()
            await wire.say(NO_STREAM)
        else:
            await wire.stream()
            note = {"jsonrpc": "2.0", "method": changed}
            await wire.say(f"data: {json.dumps(note)}\n\n".encode())
            await asyncio.sleep(60)

    async with serving(sessions(script)) as (server, _), asyncio.timeout(20):
        news = asyncio.ensure_future(anext(server.changes()))
        await own.wait()
        await server.call(leave(), tool("echo"), Ear())
        assert await news == changed


def in_session(name: str, told: asyncio.Queue[tuple[str, str]] | None = None) -> Outbound:
    """A call in an agent's session of that name; who hears what is `told`."""

    def tell(method: str, *_: Any) -> None:
        if told is not None:
            told.put_nowait((name, method))

    return replace(tool("echo"), session=name, ear=AgentsEar(Over(), tell))


async def test_what_it_says_after_a_call_is_told_to_each_agent_whose_session_it_is() -> None:
    answered = asyncio.Event()
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    async with serving(sessions(speaking(answers, answered))) as (server, _), asyncio.timeout(20):
        for name in ("one", "other"):
            await server.call(leave(), in_session(name, told), Ear())
        answered.set()
        heard = [await told.get() for _ in range(2 * len(LATER))]
    assert [method for name, method in heard if name == "one"] == list(LATER)
    assert [method for name, method in heard if name == "other"] == list(LATER)
    assert told.empty()


async def test_each_session_of_an_agent_has_its_own_which_ends_with_it() -> None:
    async with serving(sessions(answers)) as (server, heard):
        first, other = in_session("one"), in_session("other")
        for message in (first, other, first):
            await server.call(leave(), message, Ear())
        opened = heard.methods().count("initialize")
        assert first.ear is not None
        first.ear.over.say()
        while not heard.requests[-1].head.startswith("DELETE"):
            await asyncio.sleep(0.01)
        await server.call(leave(), other, Ear())
    assert (opened, heard.methods().count("initialize")) == (2, 2)


async def test_of_sessions_to_which_a_server_gave_one_id_the_last_ends_it() -> None:
    async with serving(sessions(answers, "same")) as (server, heard):
        ends = []
        for message in (in_session("one"), in_session("other")):
            await server.call(leave(), message, Ear())
            assert message.ear is not None
            ends.append(message.ear.over)
        ends[0].say()
        await server.call(leave(), in_session("other"), Ear())
        ends[1].say()
        while not heard.requests[-1].head.startswith("DELETE"):
            await asyncio.sleep(0.01)
    assert [request.head.split()[0] for request in heard.requests].count("DELETE") == 1


async def test_a_session_that_cannot_be_opened_leaves_nothing_with_the_agents() -> None:
    is_down = False

    async def script(wire: Wire) -> None:
        if is_down and wire.request.rpc.get("method") == "initialize":
            await wire.say(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        else:
            await sessions(answers)(wire)

    async with serving(script) as (server, heard):
        await server.call(leave(), in_session("one"), Ear())
        is_down, lost = True, in_session("other")
        for _ in range(3):
            await server.call(leave(), lost, Ear())
    assert lost.ear is not None
    assert (heard.methods().count("initialize"), len(lost.ear.over._then)) == (4, 0)


async def test_a_session_whose_agent_leaves_while_it_is_opened_is_ended_there() -> None:
    greeted, left = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        if wire.request.rpc.get("method") == "initialize":
            greeted.set()
            await left.wait()
        await sessions(answers)(wire)

    async with serving(script) as (server, heard):
        message = in_session("one")
        call = asyncio.ensure_future(server.call(leave(), message, Ear()))
        await greeted.wait()
        assert message.ear is not None
        call.cancel()
        message.ear.over.say()
        left.set()
        while not heard.requests[-1].head.startswith("DELETE"):
            await asyncio.sleep(0.01)
    assert "tools/call" not in heard.methods()


async def test_while_all_of_an_agents_sessions_work_a_further_one_shares_and_is_told_nothing_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sessions, "MAX_EACH", 1)
    at_work, done, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def script(wire: Wire) -> None:
        if not at_work.is_set():
            at_work.set()
            await done.wait()
        await wire.answer({})

    async with serving(sessions(speaking(script, answered))) as (server, heard):
        first = asyncio.ensure_future(server.call(leave(), in_session("one", told), Ear()))
        await at_work.wait()
        further = await server.call(leave(), in_session("other", told), Ear())
        done.set()
        await first
        answered.set()
        spoke = [await told.get() for _ in LATER]
    assert (further.kind, heard.methods().count("initialize")) == ("ok", 2)
    assert (spoke, told.empty()) == ([("one", method) for method in LATER], True)


NO_STREAM = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
"""To a GET for the session's own stream."""


async def accepted(wire: Wire) -> None:
    await wire.say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")


def push(id: Any, method: str, params: JsonObject) -> bytes:
    message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return b"data: " + json.dumps(message).encode() + b"\n\n"


async def test_the_agents_own_words_open_the_session() -> None:
    async with serving(sessions(answers)) as (server, heard):
        await server.call(leave(), tool("echo"), Ear())
    hello = next(
        request.rpc for request in heard.requests if request.rpc.get("method") == "initialize"
    )
    assert hello["params"] == {
        "protocolVersion": "2025-11-25",
        "capabilities": AGENT.capabilities,
        "clientInfo": AGENT.info,
    }
    said = [method for method in heard.methods() if method]
    assert said[1:4] == ["initialize", "notifications/initialized", "tools/call"]
    assert "Mcp-Session-Id: s-1\r\n" in heard.requests[3].head
    assert heard.requests[-1].head.startswith("DELETE")


@pytest.mark.parametrize("bad", ["a b", "ä", "x" * 2000])
async def test_a_session_id_that_is_not_visible_ascii_is_refused(bad: str) -> None:
    async with serving(sessions(answers, bad)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.kind == "rejected"
    assert "tools/call" not in heard.methods()


async def test_of_changed_roots_it_hears_before_the_next_call_and_asks_for_them_first() -> None:
    class Rooted(Ear):
        async def ask(self, method: str, params: JsonObject) -> Answer:
            self.asked.append((method, params))
            return Answer({"roots": [{"uri": "file:///new"}]})

    who, client = Rooted(), ClientFacts("2025-11-25", {"roots": {"listChanged": True}})
    before = replace(tool("echo", text="before"), client=client)
    async with connected("sessions") as (server, world):
        await server.call(leave(), before, who)
        now = asyncio.get_running_loop().time()
        after = replace(tool("echo", text="after"), client=replace(client, roots_at=now))
        await server.call(leave(), after, who)
        await server.call(leave(), after, who)
    assert world.asked == ["root file:///new"]
    told = world.methods().index("notifications/roots/list_changed")
    calls = [at for at, method in enumerate(world.methods()) if method == "tools/call"]
    assert calls[0] < told < calls[1]


async def test_a_call_is_made_also_when_the_word_of_changed_roots_is_lost() -> None:
    async def loses(wire: Wire) -> None:
        if wire.request.rpc.get("method") == "notifications/roots/list_changed":
            wire.close()
        else:
            await sessions(answers)(wire)

    client = ClientFacts("2025-11-25", {"roots": {"listChanged": True}})
    async with serving(loses) as (server, heard):
        await server.call(leave(), replace(tool("echo"), client=client), Ear())
        now = asyncio.get_running_loop().time()
        after = replace(tool("echo"), client=replace(client, roots_at=now))
        outcome = await server.call(leave(), after, Ear())
    assert "notifications/roots/list_changed" in heard.methods()
    assert outcome.kind == "ok"


async def test_calls_at_once_of_one_agent_open_one_session() -> None:
    async with serving(sessions(answers)) as (server, heard):
        await asyncio.gather(*(server.call(leave(), tool("echo"), Ear()) for _ in range(10)))
    assert heard.methods().count("initialize") == 1


async def test_a_server_that_loses_every_session_is_given_up_after_two() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.kind == "rejected" and "session" in outcome.detail
    assert outcome.turned_away, "that it did nothing is its own word"
    assert heard.methods().count("tools/call") == 2


async def test_an_error_that_names_the_call_is_its_answer_even_with_404() -> None:
    async def script(wire: Wire) -> None:
        error = {"code": -32601, "message": "Method not found"}
        message = {"jsonrpc": "2.0", "id": wire.request.rpc["id"], "error": error}
        await wire.json(message, "404 Not Found")

    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.error is not None and outcome.error.code == -32601
    assert heard.methods().count("tools/call") == 1


async def test_a_session_turned_away_with_400_is_opened_anew_for_the_next_call() -> None:
    async def script(wire: Wire) -> None:
        if heard.methods().count("tools/call") == 1:
            error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
            await wire.json({"jsonrpc": "2.0", "id": None, "error": error}, "400 Bad")
        else:
            await wire.answer({"fresh": True})

    async with serving(sessions(script)) as (server, heard):
        first = await server.call(leave(), tool("echo"), Ear())
        second = await server.call(leave(), tool("echo"), Ear())
    assert first.kind == "rejected"
    assert second.result == {"fresh": True}


async def test_a_call_under_way_when_its_connection_breaks_is_a_doubt_and_not_sent_again() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        wire.close()

    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.kind == "in_doubt"
    assert heard.methods().count("tools/call") == 1


async def test_a_broken_stream_with_an_event_id_is_taken_up_again_and_nothing_is_sent_twice() -> (
    None
):
    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET") and "Last-Event-ID" not in wire.request.head:
            await wire.say(NO_STREAM)
        elif wire.request.head.startswith("GET"):
            resumed.append(wire.request.head)
            await wire.stream()
            await wire.say(b"id: e-2\n" + answer[0])
        else:
            answer.append(wire.event({"whole": True}))
            await wire.stream()
            await wire.say(b"id: e-1\nretry: 10\ndata:\n\n")
        wire.close()

    resumed: list[str] = []
    answer: list[bytes] = []
    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.result == {"whole": True}
    assert heard.methods().count("tools/call") == 1
    assert "Last-Event-ID: e-1\r\n" in resumed[0] and "Mcp-Session-Id: s-1\r\n" in resumed[0]


@pytest.mark.parametrize("status", ["404 Not Found", "405 Not Allowed", "200 OK"])
async def test_a_stream_that_cannot_be_taken_up_again_is_a_doubt(status: str) -> None:
    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"
            )
            await wire.say(head.encode())
        else:
            await wire.stream()
            await wire.say(b"id: e-1\nretry: 1\ndata:\n\n")
            wire.close()

    async with serving(sessions(script), idle=0.1) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.kind == "in_doubt"
    assert heard.methods().count("tools/call") == 1


async def test_a_stream_that_brings_nothing_for_long_is_polled_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_exchange, "RETRY", 0.01)
    answer: list[bytes] = []
    polls = count(1)

    async def script(wire: Wire) -> None:
        await wire.stream()
        if not wire.request.head.startswith("GET"):
            answer.append(wire.event({"done": True}))
            await wire.say(b"id: e-1\nretry: 1\ndata:\n\n")
        elif next(polls) > 4 * http_exchange.AS_SAID:
            await wire.say(b"id: e-2\n" + answer[0])
        wire.close()

    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.result == {"done": True}
    assert heard.methods().count("tools/call") == 1


async def test_an_event_id_that_cannot_be_a_header_is_not_sent() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say("id: é\nretry: 1\ndata:\n\n".encode())
        wire.close()

    async with serving(sessions(script)) as (server, _):
        assert (await server.call(leave(), tool("echo"), Ear())).kind == "in_doubt"


async def test_several_questions_at_once_are_each_answered_by_their_id() -> None:
    answers: dict[Any, Any] = {}

    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(push("q-1", "roots/list", {"n": 1}) + push(7, "roots/list", {"n": 2}))
        await wire.say(push(0, "ping", {}))
        while len(answers) < 3:
            await asyncio.sleep(0.005)
            for request in heard.requests:
                if request.body and "method" not in request.rpc:
                    answers[request.rpc["id"]] = request.rpc["result"]
        await wire.say(wire.event({}))
        wire.close()

    class Echo(Ear):
        async def ask(self, method: str, params: JsonObject) -> Answer:
            if params["n"] == 1:
                await second.wait()  # the first is answered last
            second.set()
            return Answer(result={"roots": [params["n"]]})

    second = asyncio.Event()
    async with serving(sessions(script)) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Echo())
    assert outcome.kind == "ok"
    assert answers == {"q-1": {"roots": [1]}, 7: {"roots": [2]}, 0: {}}


async def test_a_question_the_server_takes_back_is_taken_back_from_the_agent() -> None:
    asked, taken_back = asyncio.Event(), asyncio.Event()

    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(push("q", "roots/list", {}))
        await asked.wait()
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q"}}
        await wire.say(b"data: " + json.dumps(note).encode() + b"\n\n")
        await taken_back.wait()
        await wire.say(wire.event({}))
        wire.close()

    class Thinking(Ear):
        async def ask(self, method: str, params: JsonObject) -> Answer:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                taken_back.set()
            raise AssertionError

    async with serving(sessions(script)) as (server, _):
        outcome = await server.call(leave(), tool("echo"), Thinking())
    assert outcome.kind == "ok"


async def test_the_gateways_own_reads_cannot_be_asked_anything() -> None:
    async def script(wire: Wire) -> None:
        await wire.stream()
        await wire.say(push("q", "sampling/createMessage", {}))
        refusals: list[Any] = []
        while not refusals:
            await asyncio.sleep(0.005)
            refusals = [r.rpc["error"] for r in heard.requests if r.rpc.get("id") == "q"]
        await wire.say(wire.event({"refused": refusals[0]["code"]}))
        wire.close()

    async with serving(sessions(script)) as (server, heard):
        assert await server.fetch("tools/list", {}) == {"refused": -32601}


async def test_there_are_never_more_sessions_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sessions, "MAX_SESSIONS", 3)

    async with serving(sessions(answers)) as (server, heard):
        for number in range(6):
            message = tool("echo", f"agent:{number}")
            assert (await server.call(leave(), message, Ear())).kind == "ok"
    deleted = [request for request in heard.requests if request.head.startswith("DELETE")]
    assert heard.methods().count("initialize") == 6
    assert len(deleted) == 6


async def test_an_agent_that_makes_up_clients_ends_its_own_sessions_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sessions, "MAX_SESSIONS", 5)
    monkeypatch.setattr(http_sessions, "MAX_EACH", 3)

    async with serving(sessions(answers)) as (server, heard):
        await server.call(leave(), tool("echo", "agent:quiet"), Ear())
        for number in range(6):
            message = tool("echo", "agent:loud")
            made_up = replace(message.client, info={"name": f"client {number}"})
            await server.call(leave(), replace(message, client=made_up), Ear())
        before = heard.methods().count("initialize")
        await server.call(leave(), tool("echo", "agent:quiet"), Ear())
        after = heard.methods().count("initialize")
    assert (before, after) == (7, 7)


async def test_an_idle_session_is_closed_and_opened_again_when_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_sessions, "IDLE", 0.05)

    async with serving(sessions(answers)) as (server, heard):
        await server.call(leave(), tool("echo"), Ear())
        while not heard.requests[-1].head.startswith("DELETE"):
            await asyncio.sleep(0.01)
        await server.call(leave(), tool("echo"), Ear())
    assert heard.methods().count("initialize") == 2


async def test_a_lost_session_of_the_gateways_own_is_told_as_a_restart() -> None:
    lost = False

    async def script(wire: Wire) -> None:
        nonlocal lost
        if wire.request.head.startswith("GET"):
            await wire.say(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
        elif lost:
            lost = False
            await wire.say(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        else:
            await wire.answer({"tools": []})

    async with serving(sessions(script)) as (server, _):
        changes = server.changes()
        news = asyncio.ensure_future(anext(changes))
        await server.fetch("tools/list", {})
        lost = True
        await server.fetch("tools/list", {})
        assert await news == "restarted"


async def test_an_older_agent_is_offered_as_old_and_a_newer_one_as_the_newest_session_version() -> (
    None
):
    from gateway.core.model import ClientFacts

    async with serving(sessions(answers)) as (server, heard):
        for version in ("2024-11-05", "2026-07-28"):
            client = ClientFacts(version, {}, None)
            await server.call(leave(), Outbound("tools/list", {}, client, "agent:a"), Ear())
    offered = [
        r.rpc["params"]["protocolVersion"]
        for r in heard.requests
        if r.rpc.get("method") == "initialize"
    ]
    assert offered == ["2024-11-05", "2025-11-25"]


async def test_a_server_that_takes_no_post_is_said_to_need_a_bridge_if_it_is_of_the_transport_before() -> (
    None
):
    async def script(wire: Wire) -> None:
        await wire.say(NO_STREAM)

    async with serving(script) as (server, _):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert outcome.kind == "rejected"
    assert "HTTP 405" in outcome.detail and "HTTP+SSE (2024-11-05)" in outcome.detail


class Said(dict[str, Any]):
    """A `_meta` of which it can be told whether anybody has it still."""


async def test_what_a_client_puts_beside_its_facts_is_kept_with_no_session() -> None:
    """As much as a body may hold, for hundreds of calls."""
    meta = Said({**META, "vendor/x": "x" * 100_000})
    params = {"name": "echo", "arguments": {}, "_meta": meta}
    said = ("mcp-protocol-version", VERSION), ("mcp-method", "tools/call"), ("mcp-name", "echo")
    length = ("content-length", str(len(json.dumps(params))))
    head = Admitted.of(Head("POST", "/mcp", (*said, length)), Endpoint("all"))
    facts = mirrored.client_facts(Call(1, "tools/call", params), head)
    async with serving(sessions(answers)) as (server, _), asyncio.timeout(20):
        outcome = await server.call(
            leave(), Outbound("tools/call", params, facts, "agent:a"), Ear()
        )
        kept = weakref.ref(meta)
        del meta, params, facts, head
        gc.collect()
        assert (outcome.kind, kept()) == ("ok", None)
