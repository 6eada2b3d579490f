"""A stdio server asks whom it works for, and nobody else: a process for each agent that can be asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from gateway.core.credential import Credential
from gateway.core.model import Answer, ClientFacts, JsonObject, Outcome
from gateway.core.over import Ear, Over
from gateway.ports import Outbound, WatchedServer
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers import open_server, stdio_each
from gateway.wire.servers.stdio import StdioServer
from gateway.wire.servers.stdio_each import Each
from tests.servers.clients import Remembers, command, command_of, leave, tool

CAN_ALL: JsonObject = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
INFO: JsonObject = {"name": "asked", "version": "7"}
ASK: JsonObject = {"method": "elicitation/create", "params": {"message": "Sure?"}}
OLD = ClientFacts("2025-11-25", CAN_ALL, INFO)
MUTE = ClientFacts("2025-11-25", {}, INFO)
FORM = Answer({"action": "accept", "content": {}})

# Asks for the roots as soon as it may, and tells what it heard.
CURIOUS = """
import json, sys
def say(m): print(json.dumps({"jsonrpc": "2.0", **m}), flush=True)
heard = waiting = None
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        caps = {"tools": {}, "logging": {}}
        about = {"protocolVersion": "2024-11-05", "capabilities": caps, "serverInfo": {"name": "c"}}
        say({"id": m["id"], "result": about})
    elif m.get("method") in ("notifications/initialized", "notifications/roots/list_changed"):
        say({"id": "roots", "method": "roots/list"})
    elif m.get("id") == "roots":
        heard = m
        if waiting: say({"id": waiting, "result": {"content": [], "heard": heard}})
        waiting = None
    elif m.get("method") == "tools/call":
        if heard: say({"id": m["id"], "result": {"content": [], "heard": heard}})
        else: waiting = m["id"]
    elif "id" in m:
        say({"id": m["id"], "error": {"code": -32601, "message": "no"}})
"""


# Lists a tool to those only who can answer what it asks, as the reference server "everything" does.
CONDITIONAL = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        can = m["params"]["capabilities"]
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "c"}}
    elif m.get("method") == "tools/list":
        result = {"tools": [{"name": name} for name in ["always", *sorted(can)]]}
    elif m.get("method") == "tools/call":
        result = {"content": [], "can": can}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
"""


# Asks a model something before it agrees to be watched, as older releases of "everything" do, declared or not.
WARY = """
import json, sys
def say(m): print(json.dumps({"jsonrpc": "2.0", **m}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        about = {"protocolVersion": "2025-06-18", "capabilities": {"resources": {"subscribe": True}}}
        say({"id": m["id"], "result": {**about, "serverInfo": {"name": "w"}}})
    elif m.get("method") == "resources/subscribe":
        waiting = m["id"]
        say({"id": "q", "method": "sampling/createMessage", "params": {"uri": m["params"]["uri"]}})
    elif m.get("id") == "q":
        said = m.get("error")
        say({"id": waiting, "error": said} if said else {"id": waiting, "result": {}})
    elif "method" in m and "id" in m:
        say({"id": m["id"], "error": {"code": -32601, "message": "no"}})
"""


@asynccontextmanager
async def running(*argv: str, **settings: Any) -> AsyncIterator[WatchedServer]:
    words = argv or command("--eras", "sessions")
    server = open_server("tried", ServerSettings(command=words, **settings))
    try:
        async with asyncio.timeout(20):
            yield server
    finally:
        await server.aclose()


def sent(name: str, client: ClientFacts = OLD, session: str = "s1", **arguments: Any) -> Outbound:
    return replace(tool(name, **arguments), client=client, session=session)


def person(name: str) -> Remembers:
    """An agent's client that answers every question with its own name."""

    async def says(_: str, __: JsonObject) -> Answer:
        return Answer({"action": "accept", "content": {"name": name}})

    return Remembers(says)


async def call(server: WatchedServer, message: Outbound, who: Remembers | None = None) -> Outcome:
    return await server.call(leave(), message, who or Remembers())


def greetings(outcome: Outcome) -> list[JsonObject]:
    """What a process was told when it was greeted."""
    assert outcome.result is not None
    return [one["params"] for one in outcome.result["seen"] if one["method"] == "initialize"]


def name_in(outcome: Outcome) -> Any:
    assert outcome.result is not None, outcome
    return outcome.result["heard"]["result"]["content"]["name"]


async def test_who_can_be_asked_is_asked_and_told_of_as_itself() -> None:
    async with running() as server:
        asked = await call(server, sent("ask", **ASK), person("ada"))
        [greeted] = greetings(await call(server, sent("seen")))
        [shared] = greetings(await call(server, sent("seen", MUTE)))
    assert name_in(asked) == "ada"
    assert greeted["clientInfo"] == INFO
    assert greeted["capabilities"] == {"elicitation": {"form": {}}, "sampling": {}}
    assert shared["capabilities"] == {}


@pytest.mark.parametrize(
    ("settings", "listed"),
    [
        ({}, ["always"]),
        ({"questions": ("roots",)}, ["always", "roots"]),
        (
            {"questions": ("sampling", "elicitation", "roots")},
            ["always", "elicitation", "roots", "sampling"],
        ),
    ],
)
async def test_where_its_questions_are_named_it_lists_what_it_has_for_those_who_can_answer(
    settings: JsonObject, listed: list[str]
) -> None:
    async with running(sys.executable, "-c", CONDITIONAL, era="sessions", **settings) as server:
        found = await server.fetch("tools/list", {})
        mute = await call(server, sent("always", MUTE))
    assert [tool["name"] for tool in found["tools"]] == listed
    assert mute.result is not None and mute.result["can"] == {}


async def test_a_fence_ends_the_process_of_the_lists_too() -> None:
    argv = (sys.executable, "-c", CONDITIONAL)
    async with running(*argv, era="sessions", questions=("roots",)) as server:
        await server.fetch("tools/list", {})
        before = {child.pid for child in psutil.Process().children()}
        await server.fence()
        await server.fetch("tools/list", {})
        after = {child.pid for child in psutil.Process().children()}
    assert len(before - after) == len(after - before) == 2


async def test_o5_each_session_is_asked_its_own_questions_also_at_the_same_time() -> None:
    async with running() as server:
        people = {session: person(session) for session in ("s1", "s2", "s3")}
        calls = [call(server, sent("ask", session=s, **ASK), who) for s, who in people.items()]
        answers = await asyncio.gather(*calls)
        for session, who in people.items():  # and one while another call of its own is open
            other = asyncio.ensure_future(call(server, sent("wait", session=session), Remembers()))
            await asyncio.sleep(0)
            await call(server, sent("ask", session=session, **ASK), who)
            await call(server, sent("release", session=session))
            await other
    assert [name_in(one) for one in answers] == list(people)
    assert [len(who.asked) for who in people.values()] == [2, 2, 2]


async def test_b2_a_stateless_agent_is_asked_by_result() -> None:
    young = replace(OLD, protocol_version="2026-07-28")
    async with running() as server:
        first = await call(server, sent("ask", young, session="", **ASK))
        assert first.result is not None
        [(key, question)] = first.result["inputRequests"].items()
        onward = sent("ask", young, session="", **ASK)
        said = {"inputResponses": {key: FORM.result}, "requestState": first.result["requestState"]}
        second = await call(server, replace(onward, params={**onward.params, **said}))
    assert question == ASK
    assert second.result is not None and second.result["heard"]["result"] == FORM.result


@pytest.mark.parametrize(("questions", "declared"), [((), None), (("sampling",), {"sampling": {}})])
async def test_settings_say_what_it_may_ask(questions: Any, declared: JsonObject | None) -> None:
    async with running(questions=questions) as server:
        [greeted] = greetings(await call(server, sent("seen")))
        refused = await call(server, sent("ask", **ASK), Remembers())
    assert greeted["capabilities"] == (declared or {})
    assert refused.result is not None and "error" in refused.result["heard"]


async def test_what_it_asks_before_its_first_call_is_asked_in_that_call() -> None:
    async def says(method: str, _: JsonObject) -> Answer:
        return Answer({"roots": [{"uri": "file:///there"}]})

    who = Remembers(says)
    async with running(sys.executable, "-c", CURIOUS, questions=("roots",)) as server:
        outcome = await call(server, sent("any"), who)
    assert [method for method, _ in who.asked] == ["roots/list"]
    assert outcome.result is not None
    assert outcome.result["heard"]["result"] == {"roots": [{"uri": "file:///there"}]}


async def test_of_changed_roots_it_hears_before_the_next_call_and_asks_for_them_first() -> None:
    async def says(_: str, __: JsonObject) -> Answer:
        return Answer({"roots": [{"uri": f"file:///{len(who.asked)}"}]})

    who = Remembers(says)
    async with running(sys.executable, "-c", CURIOUS, questions=("roots",)) as server:
        first = await call(server, sent("x"), who)
        now = asyncio.get_running_loop().time()
        changed = replace(sent("x"), client=replace(OLD, roots_at=now))
        second = await call(server, changed, who)
        third = await call(server, changed, who)
        kept = replace(OLD, capabilities={"sampling": {}}, roots_at=now)
        other = await call(server, replace(sent("x", session="s2"), client=kept), who)
    heard = [r.result and r.result["heard"]["result"]["roots"] for r in (first, second, third)]
    assert [roots and roots[0]["uri"] for roots in heard] == ["file:///1", "file:///2", "file:///2"]
    assert len(who.asked) == 2, other


async def test_what_it_asks_while_an_agent_subscribes_is_asked_of_that_agent() -> None:
    watched: JsonObject = {"uri": "test://a"}
    asked = replace(sent(""), method="resources/subscribe", params=watched)
    who = person("ada")
    async with running(sys.executable, "-c", WARY) as server:
        outcome = await call(server, asked, who)
        other = replace(asked, params={"uri": "test://b"})
        refused = await call(server, other, Remembers())
    assert (outcome.kind, who.asked) == ("ok", [("sampling/createMessage", watched)])
    assert (refused.kind, refused.error and refused.error.code) == ("rejected", -32601)


async def test_what_it_says_after_a_call_is_told_to_the_agent_it_works_for_and_to_nobody_else() -> (
    None
):
    told: dict[str, list[str]] = {"ada": [], "mute": [], "young": []}
    heard = asyncio.Event()

    def ear(name: str) -> Ear:
        def tell(method: str, params: JsonObject, *_: object) -> None:
            assert params["data"] == "later"
            told[name].append(method)
            if method == "notifications/message":
                heard.set()

        return Ear(Over(), tell)

    young = replace(OLD, protocol_version="2026-07-28")
    async with running() as server:
        await call(server, replace(sent("later", MUTE), ear=ear("mute")))
        await call(server, sent("later", young, session=""))
        await call(server, replace(sent("later"), ear=ear("ada")))
        await heard.wait()
        await call(server, sent("echo", MUTE))
    said = ["notifications/tasks/status", "notifications/vendor/other", "notifications/message"]
    assert told == {"ada": said, "mute": [], "young": []}


async def test_the_level_an_agent_set_is_set_and_only_widens() -> None:
    async with running(*command("--eras", "sessions", "--logging")) as server:
        for level in ("warning", "info", "error", "info"):
            await call(server, sent("echo", replace(OLD, log_level=level)))
        outcome = await call(server, sent("seen"))
    assert outcome.result is not None
    told = [
        m["params"]["level"] for m in outcome.result["seen"] if m["method"] == "logging/setLevel"
    ]
    assert told == ["warning", "info"]


async def test_past_the_bound_the_longest_idle_makes_room_and_at_work_nobody_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = StdioServer("tried", ServerSettings(command=command("--eras", "sessions")))
    settings = ServerSettings(command=command("--eras", "sessions"), era="sessions")
    made: list[StdioServer] = []

    def make(client: ClientFacts | None, _: Credential | None) -> StdioServer:
        made.append(StdioServer("tried", settings, client=client))
        return made[-1]

    server = Each("tried", shared, make, frozenset({"elicitation"}), most=2)
    async with asyncio.timeout(20):
        first = asyncio.ensure_future(call(server, sent("wait", session="1")))
        await call(server, sent("echo", session="2"))
        await call(server, sent("echo", session="3"))
        ended = [one.describe()["state"] for one in made]
        busy = asyncio.ensure_future(call(server, sent("wait", session="3")))
        await asyncio.sleep(0)
        [greeted] = greetings(await call(server, sent("seen", session="4")))
        for number in range(5, 10):
            await call(server, sent("echo", session=str(number)))
        await call(server, sent("release", session="1"))
        await call(server, sent("release", session="3"))
        await asyncio.gather(first, busy)
        await server.aclose()
    assert ended.count("closed") == 1
    assert len(made) == 3
    assert greeted["capabilities"] == {}
    assert caplog.messages.count("2 own processes are at work, no more are started") == 1


async def test_one_principal_does_not_take_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio_each, "MOST_EACH", 1)
    async with running() as server:
        await call(server, sent("echo", session="1"))
        await call(server, sent("echo", session="2"))
        await call(server, replace(sent("echo", session="1"), principal="agent:b"))
        assert server.describe()["own_processes"] == 2


async def test_a_fence_and_the_end_end_every_process() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with running() as server:
        hanging = [
            asyncio.ensure_future(call(server, sent("hang", client, session=session)))
            for client, session in ((MUTE, ""), (OLD, "1"), (OLD, "2"))
        ]
        for client, session in ((MUTE, ""), (OLD, "1"), (OLD, "2")):
            await call(server, sent("echo", client, session=session))
        assert await server.fence()
        kinds = [(await one).kind for one in hanging]
    after = psutil.Process().children(recursive=True)
    ours = [c for c in after if c.pid not in before and "stdio_server" in " ".join(command_of(c))]
    assert kinds == ["in_doubt"] * 3
    assert ours == []


async def test_of_a_call_in_doubt_no_process_is_named_that_the_server_is_not_described_by() -> None:
    async with running() as server:
        hanging = [
            asyncio.ensure_future(call(server, sent("hang", client, session=session)))
            for client, session in ((MUTE, ""), (OLD, "1"))
        ]
        for client, session in ((MUTE, ""), (OLD, "1")):
            await call(server, sent("echo", client, session=session))
        shared = server.describe()["pid"]
        await server.fence()
        pids = [(await one).pid for one in hanging]
    assert pids == [shared, None]


async def test_an_idle_one_ends_after_a_while() -> None:
    shared = StdioServer("tried", ServerSettings(command=command("--eras", "sessions")))
    settings = ServerSettings(command=command("--eras", "sessions"), era="sessions")
    server = Each(
        "tried",
        shared,
        lambda client, _: StdioServer("tried", settings, client=client),
        frozenset({"elicitation"}),
        idle=0.05,
    )
    async with asyncio.timeout(20):
        await call(server, sent("echo"))
        while server.describe()["own_processes"]:
            await asyncio.sleep(0.01)
        await server.aclose()
