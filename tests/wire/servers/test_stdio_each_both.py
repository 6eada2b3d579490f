"""A stdio server of both eras: an agent with a session that can be asked meets it in one, others statelessly."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from pathlib import Path

import psutil
import pytest

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, JsonObject
from gateway.core.over import Ear, Over, nobody
from gateway.ports import WatchedServer
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers import open_server, stdio_each
from gateway.wire.servers.stdio import StdioServer
from gateway.wire.servers.stdio_each import Each
from tests.servers.clients import command
from tests.wire.servers.test_stdio_each import (
    ASK,
    CAN_ALL,
    INFO,
    MUTE,
    OLD,
    call,
    greetings,
    name_in,
    person,
    running,
    sent,
)

BOTH = command("--eras", "both")
YOUNG = replace(OLD, protocol_version="2026-07-28")

# Speaks both eras, keeps a lock while it runs, and says which process it is.
LOCKED = """
import fcntl, json, os, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
for line in sys.stdin:
    m = json.loads(line)
    with open(sys.argv[1] + ".heard", "a") as heard: heard.write(m["method"] + chr(10))
    if m["method"] == "server/discover":
        result = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"}
    else:
        result = {"content": [], "pid": os.getpid(), "resultType": "complete"}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
"""


def own(server: WatchedServer) -> int:
    return int(server.describe()["own_processes"])


async def spoken_to(server: WatchedServer, client: ClientFacts) -> set[str]:
    """In which era the process of this agent was spoken to."""
    outcome = await call(server, sent("seen", client))
    assert outcome.result is not None
    heard = {message["method"] for message in outcome.result["seen"]}
    return heard & {"initialize", "server/discover"}


async def test_who_can_be_asked_meets_it_in_a_session_and_is_asked_there() -> None:
    async with running(*BOTH) as server:
        asked = await call(server, sent("ask", **ASK), person("ada"))
        [greeted] = greetings(await call(server, sent("seen")))
        assert (own(server), server.describe()["era"]) == (1, "stateless")
    assert name_in(asked) == "ada"
    assert greeted["clientInfo"] == INFO
    assert greeted["capabilities"] == {"elicitation": {"form": {}}, "sampling": {}}


@pytest.mark.parametrize("client", [MUTE, YOUNG, replace(OLD, capabilities={"roots": {}})])
async def test_nobody_else_costs_a_second_process(client: ClientFacts) -> None:
    async with running(*BOTH) as server:
        assert await spoken_to(server, client) == {"server/discover"}
        assert own(server) == 0


@pytest.mark.parametrize("settings", [{"era": "stateless"}, {"questions": ()}])
async def test_settings_keep_it_to_one_process(settings: JsonObject) -> None:
    async with running(*BOTH, **settings) as server:
        assert await spoken_to(server, OLD) == {"server/discover"}


async def test_a_session_has_one_process_from_its_first_call_to_its_end() -> None:
    over = Over()
    async with running(*BOTH) as server:
        message = replace(sent("seen"), ear=Ear(over, nobody))
        for _ in range(2):
            outcome = await call(server, message)
            other = await call(server, sent("seen", session="s2"))
        before = {child.pid for child in psutil.Process().children()}
        over.say()
        assert own(server) == 1
        while len(before - {child.pid for child in psutil.Process().children()}) < 1:
            await asyncio.sleep(0.01)
    for one in (outcome, other):
        assert one.result is not None
        methods = [message["method"] for message in one.result["seen"]]
        assert methods.count("tools/call") == 2
        assert methods.count("initialize") == 1


async def test_a_server_that_knows_no_sessions_serves_all_in_its_one_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(*command("--eras", "stateless")) as server:
        calls = [call(server, sent("echo", session=session)) for session in ("s1", "s1", "s2")]
        at_once = await asyncio.gather(*calls)
        later = await spoken_to(server, OLD)
        assert own(server) == 0
    assert [one.kind for one in at_once] == ["ok"] * 3
    assert later == {"server/discover"}
    assert "agent:a cannot be asked: it did not start: it refused initialize" in caplog.text


async def test_one_that_bears_no_second_process_is_tried_once_and_serves_all(
    tmp_path: Path,
) -> None:
    file = str(tmp_path / "lock")
    async with running(sys.executable, "-c", LOCKED, file) as server:
        outcomes = [await call(server, sent("any")) for _ in range(3)]
        heard = Path(f"{file}.heard").read_text().split()
    assert [one.kind for one in outcomes] == ["ok"] * 3
    assert len({one.result and one.result["pid"] for one in outcomes}) == 1
    assert heard == ["server/discover", *["tools/call"] * 3]


async def test_one_agent_without_a_session_leaves_the_others_theirs_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio_each, "MOST_WITHOUT", 1)
    odd = replace(OLD, info={"name": "refused"})
    async with running(*command("--eras", "both", "--refuses", "refused")) as server:
        for client, who, wanted in (
            (odd, "agent:odd", "server/discover"),
            (OLD, "agent:odd", "server/discover"),
            (OLD, "agent:ada", "initialize"),
            (odd, "agent:eve", "server/discover"),
            (OLD, "agent:odd", "initialize"),  # of more than one, none is remembered
        ):
            outcome = await call(server, replace(sent("seen", client), principal=who))
            assert outcome.result is not None
            assert outcome.result["seen"][0]["method"] == wanted


async def test_who_has_a_session_keeps_it_where_another_of_the_same_agent_is_refused() -> None:
    odd = replace(OLD, info={"name": "refused"})
    async with running(*command("--eras", "both", "--refuses", "refused")) as server:
        for client, wanted in (
            (OLD, "initialize"),
            (odd, "server/discover"),
            (OLD, "initialize"),
        ):
            outcome = await call(server, sent("seen", client))
            assert outcome.result is not None
            assert outcome.result["seen"][0]["method"] == wanted


async def test_a_session_and_a_credential_keep_nothing_of_a_process_that_has_ended() -> None:
    servers = list[weakref.ref[StdioServer]]()
    over, lent = Over(), Credential("lent")

    async def ours() -> Credential:
        return lent

    def make(client: ClientFacts | None, credential: Credential | None) -> StdioServer:
        server = StdioServer("tried", settings, client=client, own=ours)
        servers.append(weakref.ref(server))
        return server

    settings = ServerSettings(command=BOTH, era="sessions")
    shared = StdioServer("tried", settings)
    server = Each("tried", shared, make, frozenset({"roots"}), most=1)
    try:
        for session in ("s1", "s2"):
            one = sent("echo", replace(OLD, capabilities={"roots": {}}), session)
            await call(server, replace(one, credential=lent, ear=Ear(over, nobody)))
        async with asyncio.timeout(20):
            while servers[0]() is not None:
                await asyncio.sleep(0.01)
                gc.collect()
        over.say()
        assert own(server) == 0
    finally:
        await server.aclose()


async def test_with_credentials_too_and_no_call_goes_to_a_process_without_its_own() -> None:
    async def ours() -> Credential:
        return Credential("ours", environment={"WHOSE": "ours"})

    lent = Credential("lent", environment={"WHOSE": "hers"})
    for eras, greeted in (("both", "initialize"), ("stateless", "server/discover")):
        server = open_server("tried", ServerSettings(command=command("--eras", eras)), own=ours)
        try:
            message = replace(sent("environment"), credential=lent)
            outcome = await call(server, message)
            seen = await call(server, replace(sent("seen"), credential=lent))
        finally:
            await server.aclose()
        assert outcome.result is not None and outcome.result["environment"]["WHOSE"] == "hers"
        assert seen.result is not None and seen.result["seen"][0]["method"] == greeted


async def test_a_credential_that_ends_meanwhile_leaves_its_agent_a_session() -> None:
    async def ours() -> Credential:
        return Credential("ours", environment={"WHOSE": "ours"})

    server = open_server("tried", ServerSettings(command=BOTH), own=ours)
    ended, lent = Credential("ended"), Credential("lent")
    ended.over.say()
    try:
        refused = await call(server, replace(sent("seen"), credential=ended))
        seen = await call(server, replace(sent("seen"), credential=lent))
    finally:
        await server.aclose()
    assert refused.kind == "rejected"
    assert seen.result is not None and seen.result["seen"][0]["method"] == "initialize"


async def test_its_level_is_set_and_it_hears_of_changed_roots_in_the_session() -> None:
    async with running(*command("--eras", "both", "--logging"), questions=("roots",)) as server:
        await call(server, sent("echo", replace(OLD, log_level="info")))
        now = asyncio.get_running_loop().time()
        outcome = await call(server, sent("seen", replace(OLD, roots_at=now)))
    assert outcome.result is not None
    heard = [message["method"] for message in outcome.result["seen"]]
    assert {"logging/setLevel", "notifications/roots/list_changed"} <= set(heard)
    [greeted] = greetings(outcome)
    assert greeted["capabilities"] == {"roots": CAN_ALL["roots"]}


async def test_a_fence_ends_it_too_and_the_next_call_is_asked_again() -> None:
    async with running(*BOTH) as server:
        hanging = asyncio.ensure_future(call(server, sent("hang")))
        await call(server, sent("echo"))
        assert await server.fence()
        asked = await call(server, sent("ask", **ASK), person("ada"))
    assert ((await hanging).kind, name_in(asked)) == ("in_doubt", "ada")
