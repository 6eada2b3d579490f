"""A stdio server has a process for each credential, which ends with it; none is ever another's."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.core.credential import Credential
from gateway.core.model import ClientFacts, Outcome
from gateway.ports import Outbound, ServerUnavailable, WatchedServer
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers import open_server, stdio_each
from tests.servers.clients import Remembers, leave, tool
from tests.servers.telltale import VARIABLE, digest

TELLTALE = Path(__file__).parents[2] / "servers" / "telltale.py"


def credential(secret: str) -> Credential:
    return Credential(
        f"lease of {secret}",
        environment={VARIABLE: secret},
        hide=lambda text: text.replace(secret, "[hidden]"),
    )


OURS = "of-the-gateway-itself"
CALL = "tools/call"


@asynccontextmanager
async def running(kept: Path) -> AsyncIterator[tuple[WatchedServer, list[Credential]]]:
    given: list[Credential] = []

    async def own() -> Credential:
        given.append(credential(OURS))
        return given[-1]

    command = (sys.executable, str(TELLTALE), str(kept), "--stdio")
    server = open_server("tried", ServerSettings(command=command), own=own)
    try:
        async with asyncio.timeout(60):
            yield server, given
    finally:
        await server.aclose()


def sent(who: str, lent: Credential, name: str = "whoami", **arguments: Any) -> Outbound:
    return replace(tool(name, **arguments), principal=who, credential=lent)


async def called(server: WatchedServer, message: Outbound) -> Outcome:
    return await server.call(leave(), message, Remembers())


def said(outcome: Outcome) -> str:
    assert outcome.result is not None, outcome
    return str(outcome.result["content"][0]["text"])


def processes(kept: Path) -> dict[str, int]:
    """By secret, the latest process that has it."""
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    started = [line for line in lines if "environment" in line]
    return {line["environment"].get(VARIABLE, ""): line["pid"] for line in started}


async def gone(pid: int) -> None:
    while psutil.pid_exists(pid):
        await asyncio.sleep(0.01)


async def test_each_has_its_own_and_keeps_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    ann, bob = credential("secret-of-ann"), credential("secret-of-bob")
    async with running(kept) as (server, _):
        await server.fetch("tools/list", {})
        for who, lent in (("ann", ann), ("bob", bob)) * 2:
            assert said(await called(server, sent(who, lent))) == digest(lent.environment[VARIABLE])
        assert processes(kept).keys() == {OURS, "secret-of-ann", "secret-of-bob"}
        assert server.describe()["own_processes"] == 2


async def test_a_process_ends_with_its_credential_and_no_other_does(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    ann, bob = credential("secret-of-ann"), credential("secret-of-bob")
    async with running(kept) as (server, _):
        for who, lent in (("ann", ann), ("bob", bob)):
            await called(server, sent(who, lent))
        pids = processes(kept)
        ann.over.say()
        await gone(pids["secret-of-ann"])
        assert psutil.pid_exists(pids["secret-of-bob"])
        over = await called(server, sent("ann", ann))
        assert over.kind == "rejected"  # nothing is started with what is over
        assert said(await called(server, sent("bob", bob))) == digest("secret-of-bob")


async def test_a_call_under_way_when_it_ends_is_in_doubt(tmp_path: Path) -> None:
    ann = credential("secret-of-ann")
    async with running(tmp_path / "kept") as (server, _):
        under_way = asyncio.create_task(called(server, sent("ann", ann, "hang")))
        while "secret-of-ann" not in (
            processes(tmp_path / "kept") if (tmp_path / "kept").exists() else {}
        ):
            await asyncio.sleep(0.01)
        while '"hang"' not in (tmp_path / "kept").read_text():
            await asyncio.sleep(0.01)
        ann.over.say()
        assert (await under_way).kind == "in_doubt"


async def test_a_fence_waits_for_a_process_that_is_being_ended(tmp_path: Path) -> None:
    ann, kept = credential("secret-of-ann"), tmp_path / "kept"
    async with running(kept) as (server, _):
        mute = replace(
            sent("ann", ann), client=ClientFacts("2025-11-25")
        )  # starts no other process
        await called(server, mute)
        ann.over.say()
        while server.describe()["own_processes"]:
            await asyncio.sleep(0)
        fenced = await server.fence()
        assert not psutil.pid_exists(processes(kept)["secret-of-ann"])
    assert fenced


async def test_the_gateways_own_process_gets_a_new_one_when_its_own_is_over(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with running(kept) as (server, given):
        await server.fetch("tools/list", {})
        first = processes(kept)[OURS]
        given[0].over.say()
        # The gateway hears of an end later than it happens.
        while server.describe()["pid"] == first:
            await asyncio.sleep(0.01)
        await server.fetch("tools/list", {})
        await gone(first)
        assert processes(kept)[OURS] != first
        assert len(given) == 2


async def test_when_too_many_work_a_call_goes_to_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio_each, "MOST_PROVED", 1)
    kept = tmp_path / "kept"
    ann, bob = credential("secret-of-ann"), credential("secret-of-bob")
    async with running(kept) as (server, _):
        under_way = asyncio.create_task(called(server, sent("ann", ann, "hang")))
        while not kept.exists() or '"hang"' not in kept.read_text():
            await asyncio.sleep(0.01)
        outcome = await called(server, sent("bob", bob))
        assert outcome.error is not None and outcome.error.data["reason"] == "overloaded"
        lines = [json.loads(line) for line in kept.read_text().splitlines()]
        called_at = [one["pid"] for one in lines if one.get("message", {}).get("method") == CALL]
        assert called_at == [processes(kept)["secret-of-ann"]]
        under_way.cancel()
        await asyncio.wait([under_way])


async def test_what_it_writes_to_standard_error_shows_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ann = credential("secret-of-ann")
    async with running(tmp_path / "kept") as (server, _):
        await called(server, sent("ann", ann, "leak", way="stderr"))
        while "(a long line)" not in caplog.text:
            await asyncio.sleep(0.01)
    assert "my secret is [hidden]" in caplog.text
    assert "secret-of-ann" not in caplog.text


REFUSING = f"""
import json, os, sys
for line in sys.stdin:
    error = {{"code": -32000, "message": "no. " * 45 + os.environ["{VARIABLE}"]}}
    print(json.dumps({{"jsonrpc": "2.0", "id": json.loads(line)["id"], "error": error}}), flush=True)
"""


async def test_a_server_that_refuses_its_credential_tells_it_to_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not the half of it either that is left where its words are cut."""

    async def own() -> Credential:
        return credential(OURS)

    settings = ServerSettings(command=(sys.executable, "-c", REFUSING))
    server = open_server("tried", settings, own=own)
    try:
        async with asyncio.timeout(60):
            with pytest.raises(ServerUnavailable) as caught:
                await server.fetch("tools/list", {})
            while "next start" not in caplog.text:
                await asyncio.sleep(0.01)
    finally:
        await server.aclose()
    said = f"{caught.value} {caplog.text} {server.describe()}"
    assert "refused initialize: no. no." in said
    assert OURS[:4] not in said
