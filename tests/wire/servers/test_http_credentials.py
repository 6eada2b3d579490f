"""Over HTTP every request has the credential of its account: the calls, their sessions, their streams and their end."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.credential import Credential
from gateway.core.model import Era
from gateway.credential_ports import NoCredential
from gateway.ports import Outbound, ServerUnavailable, WatchedServer
from gateway.settings import ServerSettings
from gateway.values import replace
from gateway.wire.servers import open_server
from tests.servers.clients import Remembers, leave, tool
from tests.servers.telltale import digest

TELLTALE = Path(__file__).parents[2] / "servers" / "telltale.py"


def credential(secret: str) -> Credential:
    return Credential(f"lease of {secret}", headers=(("Authorization", f"Bearer {secret}"),))


def sent(who: str, secret: str, name: str = "whoami", **arguments: Any) -> Outbound:
    return replace(tool(name, **arguments), principal=who, credential=credential(secret))


@asynccontextmanager
async def running(kept: Path, eras: str, own: Any = None) -> AsyncIterator[WatchedServer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(TELLTALE), str(kept), "--eras", eras, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    async def ours() -> Credential:
        return credential("of-the-gateway-itself")

    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
            settings = ServerSettings(url=f"http://127.0.0.1:{port}/mcp")
            server = open_server("tried", settings, own=own or ours)
            try:
                yield server
            finally:
                await server.aclose()
    finally:
        process.kill()
        await process.wait()


def requests(kept: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    return [line for line in lines if "headers" in line]


async def said(server: WatchedServer, message: Outbound) -> str:
    outcome = await server.call(leave(), message, Remembers())
    assert outcome.result is not None
    return str(outcome.result["content"][0]["text"])


@pytest.mark.parametrize("eras", [Era.STATELESS, Era.SESSIONS])
async def test_each_account_is_seen_as_itself_and_the_gateway_as_itself(
    tmp_path: Path, eras: Era
) -> None:
    kept = tmp_path / "kept"
    async with running(kept, eras) as server:
        await server.fetch("tools/list", {})
        for who, secret in (("ann", "secret-of-ann"), ("bob", "secret-of-bob")) * 2:
            assert await said(server, sent(who, secret)) == digest(secret)
    shown = {line["headers"].get("authorization") for line in requests(kept)}
    assert shown == {
        "Bearer of-the-gateway-itself",
        "Bearer secret-of-ann",
        "Bearer secret-of-bob",
    }


async def test_all_of_a_session_goes_with_its_accounts_latest(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with running(kept, Era.SESSIONS) as server:
        assert await said(server, sent("ann", "the-first-of-ann")) == digest("the-first-of-ann")
        assert await said(server, sent("ann", "the-second-of-ann")) == digest("the-second-of-ann")
    lines = requests(kept)
    (session,) = {
        line["headers"]["mcp-session-id"]
        for line in lines
        if line["headers"].get("authorization", "").endswith("-of-ann")
        and "mcp-session-id" in line["headers"]
    }
    of_it = [line for line in lines if line["headers"].get("mcp-session-id") == session]
    (end,) = [line for line in of_it if line["verb"] == "DELETE"]
    assert end["headers"]["authorization"] == "Bearer the-second-of-ann"
    assert all("authorization" in line["headers"] for line in of_it)


async def test_without_one_of_its_own_the_gateway_asks_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    async def none() -> Credential:
        raise NoCredential("the authorization server is away")

    async with running(kept, Era.STATELESS, own=none) as server:
        with pytest.raises(ServerUnavailable, match="no credential: the authorization server"):
            await server.fetch("tools/list", {})
    assert not kept.exists()
