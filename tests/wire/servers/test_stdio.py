"""What only the stdio adapter does: probing, supervision, telling agents on one pipe apart.

What it shares with the others stands in tests/conformance/test_tool_server_port.py.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.core.model import Answer, JsonObject, Outcome
from gateway.errors import Misconfigured
from gateway.ports import ServerUnavailable
from gateway.settings import MAX_WHOLE, EnvironmentRule, ServerLimits, ServerSettings
from gateway.wire.servers import open_server, process, stdio_greeting
from gateway.wire.servers.back_off import BackOff
from gateway.wire.servers.stdio import StdioServer
from tests.clock import ahead
from tests.servers import behaviour
from tests.servers.clients import Remembers, call, command, leave, seen, tool
from tests.system import starter

PATIENCE = 20.0
SHORT = 5.0
"""A limit that is to be passed: the clock is moved on. What else the server is asked has all of it."""
SOON = BackOff(first=0.01, most=0.05)
NEVER = BackOff(first=3_600, most=3_600)

DEAF = """
import json, os, sys, time
for line in sys.stdin:
    m = json.loads(line)
    if m["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "d"}}
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
    elif m["method"] == "tools/call":
        os.close(1)
time.sleep(0.5)
open(sys.argv[1], "w").close()
os._exit(0)
"""


@asynccontextmanager
async def running(
    *options: str,
    back_off: BackOff = SOON,
    late: Callable[[str, Outcome], None] | None = None,
    era: Any = "auto",
    argv: tuple[str, ...] | None = None,
    **limits: Any,
) -> AsyncIterator[StdioServer]:
    settings = ServerSettings(
        command=argv or command(*options), era=era, limits=ServerLimits(**limits)
    )
    server = StdioServer("tried", settings, back_off=back_off, late=late)
    try:
        async with asyncio.timeout(PATIENCE):
            yield server
    finally:
        await server.aclose()


# Which era it speaks.


@pytest.mark.parametrize(
    "options, era",
    [
        (("--eras", "both"), "stateless"),
        (("--eras", "stateless"), "stateless"),
        (("--eras", "sessions"), "sessions"),
        (("--eras", "both", "--probe", "exit"), "sessions"),
    ],
)
async def test_the_era_is_found_by_asking(options: tuple[str, ...], era: str) -> None:
    async with running(*options) as server:
        outcome = await call(server, "echo")
        told = server.describe()
    assert outcome.kind == "ok"
    assert told["era"] == era
    assert told["capabilities"] == behaviour.CAPABILITIES
    assert told["server_info"] == behaviour.INFO and told["instructions"] == "Be kind."


async def test_a_server_silent_on_the_probe_is_greeted_the_older_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio_greeting, "PROBE_SECONDS", 0.2)
    async with running("--eras", "sessions", "--probe", "silent") as server:
        await server.start()
        told = server.describe()
    assert (told["era"], told["protocol_version"]) == ("sessions", "2025-11-25")


async def test_a_stateless_server_slow_to_start_is_still_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio_greeting, "PROBE_SECONDS", 0.001)
    async with running("--eras", "stateless") as server:
        await server.start()
        told = server.describe()
    assert told["era"] == "stateless"


async def test_a_forced_era_is_not_probed() -> None:
    async with running("--eras", "both", era="sessions") as server:
        probes = await seen(server, "server/discover")
        greetings = await seen(server, "initialize")
    assert probes == [] and len(greetings) == 1


async def test_forcing_an_era_the_server_has_not_is_an_error_that_says_so() -> None:
    async with running("--eras", "sessions", era="stateless", back_off=NEVER) as server:
        with pytest.raises(ServerUnavailable, match=r"tried: .*does not offer 2026-07-28"):
            await server.start()


async def test_the_era_is_remembered_when_the_server_starts_again() -> None:
    async with running("--eras", "sessions") as server:
        first = await seen(server, "server/discover")
        await restart(server)
        again = await seen(server, "server/discover")
    assert len(first) == 1 and again == []


async def test_no_capabilities_are_declared_for_agents_that_share_the_process() -> None:
    async with running("--eras", "sessions") as server:
        (greeting,) = await seen(server, "initialize")
    assert greeting["params"]["capabilities"] == {}
    assert greeting["params"]["clientInfo"]["name"] == "bulkhead"


# Dying and starting again.


async def restart(server: StdioServer) -> None:
    """Let it die, and wait until it is back."""
    news = server.changes()
    assert (await call(server, "die")).kind == "in_doubt"
    assert [await anext(news), await anext(news)] == ["new process", "restarted"]


async def test_a_crash_names_the_exit_status_and_the_last_words_escaped() -> None:
    async with running(back_off=NEVER) as server:
        outcome = await call(server, "die")
    assert outcome.kind == "in_doubt"
    assert "exit status 7" in outcome.detail
    assert r"cannot go \x1b[31mon" in outcome.detail


async def test_every_call_in_flight_hears_of_the_crash() -> None:
    async with running(back_off=NEVER) as server:
        await server.start()
        hanging = [asyncio.create_task(call(server, "hang")) for _ in range(3)]
        await call(server, "echo")  # by its answer the three are on their way
        await call(server, "die")
        outcomes = await asyncio.gather(*hanging)
    assert [outcome.kind for outcome in outcomes] == ["in_doubt"] * 3


async def test_while_it_is_down_calls_get_their_no_at_once() -> None:
    async with running(back_off=NEVER) as server:
        await call(server, "die")
        outcome = await call(server, "echo")
        with pytest.raises(ServerUnavailable, match=r"tool server tried: .*exit status 7"):
            await server.fetch("tools/list", {})
        told = server.describe()
    assert outcome.kind == "rejected" and outcome.error is not None
    assert outcome.error.data == {"reason": "server_unavailable", "server": "tried"}
    assert told["state"] == "down" and "exit status 7" in told["last_error"]


async def test_it_is_started_again_and_serves_again() -> None:
    async with running() as server:
        await server.start()
        before = server.describe()["pid"]
        await restart(server)
        outcome = await call(server, "echo")
        after = server.describe()
    assert outcome.kind == "ok"
    assert after["pid"] != before and after["starts"] == 2


async def test_a_call_in_flight_at_a_crash_is_not_sent_to_the_next_process() -> None:
    async with running() as server:
        await restart(server)
        arrived = await seen(server, "tools/call")
    assert [message["params"]["name"] for message in arrived] == ["seen"]


async def test_ids_go_on_counting_in_the_next_process() -> None:
    async with running() as server:
        (first,) = await seen(server, "tools/call")
        await restart(server)
        (second,) = await seen(server, "tools/call")
    assert second["id"] > first["id"]


async def test_one_of_many_that_ended_is_started_again_for_who_asks_and_not_before() -> None:
    news: list[str] = []
    settings = ServerSettings(command=command())
    server = StdioServer("tried", settings, back_off=SOON, changed=news.append)
    async with asyncio.timeout(PATIENCE):
        await call(server, "die")
        while server.describe()["state"] != "idle":
            await asyncio.sleep(0.01)
        before, outcome = server.describe()["starts"], await call(server, "echo", text="x")
        after = server.describe()["starts"]
        await server.aclose()
    assert (before, outcome.kind, after) == (1, "ok", 2)


def test_back_off_doubles_and_is_bounded() -> None:
    back_off = BackOff(first=0.5, most=30)
    assert [back_off.seconds(n) for n in (1, 2, 3, 6, 7, 1_000)] == [0.5, 1, 2, 16, 30, 30]


async def test_a_server_that_exits_at_once_is_named_with_its_words() -> None:
    argv = (sys.executable, "-c", "raise SystemExit('no database')")
    async with running(argv=argv, back_off=NEVER) as server:
        with pytest.raises(ServerUnavailable, match=r"(?s)tried: .*exit status 1.*no database"):
            await server.start()


async def test_a_server_that_is_gone_before_it_was_greeted_is_named_with_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That nothing reaches it is known before how it ended."""

    async def begun(*what: Any) -> process.Process:
        it = await start(*what)
        while it.write(b"\n"):
            await asyncio.sleep(0.01)
        return it

    start = process.start
    monkeypatch.setattr(process, "start", begun)
    monkeypatch.setattr(process, "END_PATIENCE", PATIENCE)
    last = "import os, sys, time; os.close(0); time.sleep(0.2); sys.exit('no database')"
    async with running(argv=(sys.executable, "-c", last), back_off=NEVER) as server:
        with pytest.raises(ServerUnavailable, match=r"(?s)tried: .*exit status 1.*no database"):
            await server.start()


async def test_a_server_that_never_greets_is_given_up_at_the_connect_limit() -> None:
    argv = (sys.executable, "-c", "import sys; sys.stdin.read()")
    async with running(argv=argv, back_off=NEVER, connect=0.3) as server:
        outcome = await call(server, "echo")
        told = server.describe()
    assert outcome.kind == "rejected"
    assert "limits.connect (0.3 s)" in told["last_error"]


def test_a_command_that_is_not_installed_is_found_without_starting_anything() -> None:
    settings = ServerSettings(command=("no-such-server", "--x"))
    with pytest.raises(Misconfigured, match=r"servers\.git\.command: 'no-such-server'"):
        open_server("git", settings)


# Lines that are not as they should be.


async def test_lines_that_are_no_messages_are_skipped() -> None:
    async with running("--noisy") as server:
        outcome = await call(server, "garbage")
    assert outcome.kind == "ok"


async def test_an_answer_that_cannot_be_read_is_not_waited_for() -> None:
    async with running(first_byte=3_600.0) as server:
        outcome = await call(server, "latin")
        after = await call(server, "echo")
    assert outcome.kind == "in_doubt" and "unreadable answer: not JSON" in outcome.detail
    assert after.kind == "ok"


async def test_a_line_that_is_no_message_may_come_while_it_is_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def begun(*what: Any) -> process.Process:
        it = await start(*what)
        while "skipped a line" not in caplog.text:
            await asyncio.sleep(0.01)
        return it

    start = process.start
    monkeypatch.setattr(process, "start", begun)
    async with running("--noisy") as server:
        outcome = await call(server, "echo")
    assert outcome.kind == "ok"
    assert "Welcome to my server!" in caplog.text


async def test_a_server_may_say_numbers_back_as_text() -> None:
    channel = Remembers()
    async with running("--texts") as server:
        outcome = await server.call(leave(), tool("progress", token=7), channel)
    assert outcome.kind == "ok"
    assert [params["progressToken"] for _, params in channel.told] == [7, 7, 7]


@pytest.mark.parametrize("where", ["first", "last"])
async def test_an_overlong_line_costs_the_call_it_names(where: str) -> None:
    async with running(max_result=10_000) as server:
        waiting = asyncio.create_task(call(server, "wait"))
        outcome = await call(server, "line", bytes=50_000, id=where)
        await call(server, "release")
        other = await waiting
    assert outcome.kind == "in_doubt" and "max_result (10000 bytes)" in outcome.detail
    assert other.kind == "ok"


async def test_a_line_too_long_to_be_held_is_told_by_the_bound_that_counts() -> None:
    async with running(max_result=2 * MAX_WHOLE) as server:
        outcome = await call(server, "line", bytes=MAX_WHOLE + 1_000, id="first")
    assert f"over what is held whole ({MAX_WHOLE} bytes)" in outcome.detail


async def test_an_overlong_line_that_names_no_call_costs_those_in_flight() -> None:
    async with running(max_result=10_000) as server:
        await server.start()
        waiting = asyncio.create_task(call(server, "wait"))
        outcome = await call(server, "line", bytes=50_000, id="nowhere")
        other = await waiting
        after = await call(server, "echo")
    assert (outcome.kind, other.kind, after.kind) == ("in_doubt", "in_doubt", "ok")


async def test_a_line_of_three_hundred_megabytes_costs_no_memory() -> None:
    async with running(max_result=1_000_000) as server, running() as other:
        await other.start()
        await server.start()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        flooded = asyncio.create_task(call(server, "line", bytes=300_000_000, id="last"))
        meanwhile = 0
        while not flooded.done():
            assert (await call(other, "echo")).kind == "ok"
            meanwhile += 1
        outcome = await flooded
        again = await call(server, "echo")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert outcome.kind == "in_doubt" and again.kind == "ok"
    assert meanwhile > 1
    assert grown < 50_000, "KiB"


async def test_a_server_that_stops_reading_refuses_what_never_left() -> None:
    async with running("--deaf", "--eras", "sessions", back_off=NEVER, first_byte=0.3) as server:
        await server.start()
        calls = [call(server, "echo", text="x" * 1_000_000) for _ in range(6)]
        outcomes = await asyncio.gather(*calls)
    kinds = {outcome.kind for outcome in outcomes}
    assert kinds == {"in_doubt", "rejected"}


# Who is meant, when many agents share one pipe.


async def test_a_log_message_goes_to_the_only_call_in_flight() -> None:
    channel = Remembers()
    async with running() as server:
        await call(server, "log", channel)
    assert channel.told == [("notifications/message", {"level": "info", "data": {"acme": 1}})]


async def test_a_log_message_that_could_be_anyones_is_told_to_no_one() -> None:
    channels = [Remembers(), Remembers()]
    async with running() as server:
        await server.start()
        waiting = asyncio.create_task(call(server, "wait", channels[0]))
        await call(server, "log", channels[1])
        waiting.cancel()
        await asyncio.wait([waiting])
    assert [channel.told for channel in channels] == [[], []]


async def test_a_question_that_could_be_for_anyone_is_refused_to_the_server() -> None:
    channels = [Remembers(), Remembers()]
    async with running() as server:
        await server.start()
        waiting = asyncio.create_task(call(server, "wait", channels[0]))
        outcome = await call(server, "ask", channels[1], method="roots/list", params={})
        waiting.cancel()
        await asyncio.wait([waiting])
    assert [channel.asked for channel in channels] == [[], []]
    assert outcome.result is not None and outcome.result["heard"]["error"]["code"] == -32603


@pytest.mark.parametrize(
    "method, answer",
    [
        ("ping", {"result": {}}),
        ("acme/takeover", {"error": {"code": -32601, "message": "Method not found"}}),
    ],
)
async def test_other_questions_never_reach_an_agent(method: str, answer: JsonObject) -> None:
    channel = Remembers()
    async with running() as server:
        outcome = await call(server, "ask", channel, method=method, params={})
    assert channel.asked == []
    assert outcome.result is not None
    heard = outcome.result["heard"]
    assert {member: heard[member] for member in answer} == answer


async def test_a_person_may_take_longer_than_the_server_may() -> None:
    asked, said = asyncio.Event(), asyncio.Event()

    async def says(method: str, params: JsonObject) -> Answer:
        asked.set()
        await said.wait()
        return Answer(result={"action": "decline"})

    async with running("--eras", "sessions", first_byte=2 * SHORT, idle=SHORT) as server:
        await server.start()
        thinking = asyncio.create_task(
            call(server, "ask", Remembers(says), method="elicitation/create", params={})
        )
        await asked.wait()
        # Longer than `idle`: this other call reaches its own limit meanwhile.
        hanging = asyncio.create_task(call(server, "hang"))
        await call(server, "echo")
        ahead(2 * SHORT)
        other = await hanging
        said.set()
        outcome = await thinking
    assert other.kind == "in_doubt" and outcome.kind == "ok"


async def test_an_agent_that_does_not_read_holds_up_no_other() -> None:
    told = asyncio.Event()

    class Stalled(Remembers):
        async def notify(self, method: str, params: JsonObject) -> None:
            told.set()
            await asyncio.Event().wait()

    async with running(total=2 * SHORT) as server:
        await server.start()
        slow = asyncio.create_task(server.call(leave(), tool("progress", token=1), Stalled()))
        await told.wait()
        quick = await call(server, "echo")
        ahead(2 * SHORT)
        outcome = await slow
    assert quick.kind == "ok"
    assert outcome.kind == "ok", "the answer came; only notifications are lost"


async def test_an_answer_after_the_limit_is_told_with_the_calls_id() -> None:
    late: list[tuple[str, Outcome]] = []
    async with running(first_byte=SHORT, late=lambda *told: late.append(told)) as server:
        await server.start()
        waiting = asyncio.create_task(server.call(leave("the-call"), tool("wait"), Remembers()))
        await call(server, "echo")
        ahead(SHORT)
        outcome = await waiting
        await call(server, "release")
        await call(server, "echo")
    assert outcome.kind == "in_doubt"
    assert [(id, told.kind) for id, told in late] == [("the-call", "ok")]


# Its environment, its end, real servers.


async def test_its_environment_is_what_the_settings_say_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BULKHEAD_SECRET", "hunter2")
    monkeypatch.setenv("LANG", "C.UTF-8")
    rule = EnvironmentRule(inherit=("LANG", "NOT_SET"), set={"MODE": "test"})
    settings = ServerSettings(command=command(), cwd=str(tmp_path), environment=rule)
    server = StdioServer("tried", settings)
    try:
        async with asyncio.timeout(PATIENCE):
            outcome = await call(server, "environment")
    finally:
        await server.aclose()
    assert outcome.result is not None
    environment = {k: v for k, v in outcome.result["environment"].items() if k != "LC_CTYPE"}
    assert environment == {"LANG": "C.UTF-8", "MODE": "test"}
    assert outcome.result["cwd"] == str(tmp_path)


async def test_a_fence_waits_for_one_that_only_closed_its_output(tmp_path: Path) -> None:
    """It is being ended as it is, and may still write."""
    written = tmp_path / "written"
    async with running(argv=(sys.executable, "-c", DEAF, str(written)), era="sessions") as server:
        outcome = await call(server, "write")
        fenced = await server.fence()
        assert written.exists() and server.describe()["process"]["over"]
    assert fenced and outcome.kind == "in_doubt"


async def test_closing_ends_the_process_and_calls_in_flight() -> None:
    async with running() as server:
        await server.start()
        gone = psutil.Process(server.describe()["pid"])
        hanging = asyncio.create_task(call(server, "hang"))
        await call(server, "echo")
        await server.aclose()
        outcome = await hanging
    assert outcome.kind == "in_doubt"
    assert not gone.is_running()


async def test_the_real_git_server_lists_and_answers(tmp_path: Path) -> None:
    argv = (starter.program("mcp-server-git"),)
    init = await asyncio.create_subprocess_exec("git", "init", "-q", str(tmp_path))
    assert await init.wait() == 0
    async with running(argv=argv) as server:
        page = await server.fetch("tools/list", {})
        message = tool("git_status", repo_path=str(tmp_path))
        outcome = await server.call(leave(), message, Remembers())
    assert "git_status" in [each["name"] for each in page["tools"]]
    assert outcome.kind == "ok" and outcome.result is not None
    assert "No commits yet" in json.dumps(outcome.result)


@pytest.mark.parametrize("era", ["sessions", "stateless"])
async def test_the_real_time_server_answers_in_either_era(era: str) -> None:
    argv = (starter.program("mcp-server-time"),)
    async with running(argv=argv, era=era) as server:
        outcome = await call(server, "get_current_time", timezone="Europe/Prague")
        wrong = await call(server, "get_current_time", timezone="Nowhere/Land")
    assert outcome.result is not None
    assert outcome.result["structuredContent"]["timezone"] == "Europe/Prague"
    assert wrong.kind == "tool_error"
