"""`bulkhead stdio` beside a gateway that serves with the same settings, and longer than a token lives."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import settings as settings_file
from gateway.app import clock
from gateway.app.gateway import Gateway, open_gateway
from gateway.cli import stdio
from gateway.core.credential import Account
from gateway.core.model import Endpoint, Evidence, Tier, WorkloadIdentity
from gateway.ports import Gate
from gateway.settings import Settings
from gateway.wire.agents import stdio as agents_stdio
from tests.system import starter
from tests.system.home import Home, everybody, intents, one_tier
from tests.system.raw import INITIALIZED, greeting, over_stdio

HOUR = 3_600


@pytest.mark.parametrize("more", [{}, {"otlp": "http://127.0.0.1:9"}])
def test_the_page_of_metrics_is_left_to_who_serves(tmp_path: Path, more: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = "{}:{}".format(*taken.getsockname())
        home = Home.make(tmp_path / "home", {}, telemetry={"prometheus": page, **more})
        done = home.run("stdio", "--agent", "tester")
    assert (done.returncode, done.stdout) == (0, "")


async def test_who_was_named_at_the_start_is_who_it_is_as_long_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rests on an identity (credentials, what is listened to) ends with it, and a host runs for days."""
    served: list[Any] = []

    async def converse(gate: object, endpoint: Endpoint, who: Any, *_: object) -> None:
        served.append(who)

    monkeypatch.setattr(agents_stdio, "converse", converse)
    home = Home.make(tmp_path / "home", {})
    with anyio.fail_after(60):
        await stdio._serve(settings_file.load(home.config), Endpoint("all"), "tester", "general")
    (who,) = served
    assert isinstance(who, WorkloadIdentity) and who.agent == "agent:tester"
    assert who.expires_at > time.time() + 365 * 86_400


async def test_who_was_named_at_the_start_has_a_token_to_trade_as_long_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of an hour after the start there was none, and calls to servers with exchanged tokens were refused."""
    opened: list[Gateway] = []
    served: list[Any] = []

    @asynccontextmanager
    async def opening(settings: Settings, over: asyncio.Event) -> AsyncIterator[Gateway]:
        async with open_gateway(settings, over) as gateway:
            opened.append(gateway)
            yield gateway

    async def converse(gate: Gate, endpoint: Endpoint, who: WorkloadIdentity, *_: object) -> None:
        later = time.time_ns() + HOUR * 1_000_000_000
        for name in ("_seen", "_right"):  # no later test is an hour ahead
            monkeypatch.setattr(clock._onwards, name, getattr(clock._onwards, name))
        monkeypatch.setattr(clock._onwards, "_wall", lambda: later)
        ids = (who.issuer, who.tenant, who.agent, who.task)
        account = Account(*ids, (), Tier.DATA, None, who.token_id, endpoint.path)
        token = opened[0].tokens.find(account)
        served.extend([who, await gate.identify(Evidence((f"Bearer {token}",), endpoint))])

    monkeypatch.setattr(stdio, "open_gateway", opening)
    monkeypatch.setattr(agents_stdio, "converse", converse)
    home = Home.make(tmp_path / "home", {})
    with anyio.fail_after(60):
        await stdio._serve(settings_file.load(home.config), Endpoint("all"), "tester", "general")
    who, shown = served
    assert (shown.agent, shown.task, shown.tiers) == (who.agent, who.task, who.tiers)
    assert shown.expires_at > time.time() + HOUR


def test_a_host_that_leaves_at_once_does_not_wait_for_a_silent_tool_server(tmp_path: Path) -> None:
    """The end of the input was read only after both looks at the server, twelve seconds later."""
    silent = {"command": [starter.python(), "-c", "for line in open(0): pass"]}
    home = Home.make(tmp_path / "home", {"mute": silent})
    host = ("-m", "gateway", "stdio", "--agent", "tester", "--server", "mute", "--config")
    done = subprocess.run(
        [sys.executable, *host, str(home.config)],
        input=json.dumps(greeting()).encode() + b"\n",
        capture_output=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "bulkhead"
    assert b"mute" not in done.stderr  # nor that it was waited for in vain


async def test_a_host_works_under_the_grant_of_the_task_it_names(tmp_path: Path) -> None:
    """Each start had a task of its own, which nobody could have given a grant."""
    home = Home.ticking(
        tmp_path,
        policy=everybody([("data", "tick")]),
        tiers=one_tier("tick"),
        intents=json.dumps({"standing": [], **json.loads(intents(["tick"], ["data"]))}),
    )
    home.grant("tester", "--uses", "1", task="T-1")
    host = ("-m", "gateway", "stdio", "--agent", "tester", "--task", "T-1", "--config")
    look = {"name": "tick__look", "arguments": {"n": 1}}
    async with over_stdio([starter.python(), *host, str(home.config)], "legacy") as ask:
        with anyio.fail_after(60):
            answers = [await ask("tools/call", look) for _ in range(2)]
    assert "result" in answers[0]
    assert answers[1]["error"]["data"]["reason"] == "grant_spent"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_host_that_ends_it_by_a_signal_leaves_no_call_under_way(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It was killed where it stood, and its tool servers with it: the call was said to be under way."""
    rules = {"policy": everybody([("tool", "tick")]), "tiers": one_tier("tick", "tool", "write")}
    home = Home.ticking(tmp_path, **rules)
    host = ("-m", "gateway", "stdio", "--agent", "tester", "--config", str(home.config))
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    # Also where tests run under nohup.
    heard = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *host, stdin=pipe, stdout=nothing, preexec_fn=heard
    )
    assert process.stdin is not None
    call = {"name": "tick__work", "arguments": {"name": "done", "seconds": 300}}
    work = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    for message in (greeting(), INITIALIZED, work):
        process.stdin.write(json.dumps(message).encode() + b"\n")
    try:
        with anyio.fail_after(60):
            while not (tmp_path / "place" / "done").exists():
                await anyio.sleep(0.01)
            process.send_signal(number)
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    [ended] = home.calls()
    assert (status, ended["state"]) == (0, "in_doubt")
    assert ended["outcome"]["detail"] == "cancelled by the agent while the call was under way"
