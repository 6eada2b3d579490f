"""gateway.wire.servers.http_opening at a server that closes kept connections without a word."""

from __future__ import annotations

import pytest

from gateway.ports import ServerUnavailable
from tests.servers.http_raw import Script, Wire
from tests.wire.servers.test_http import Ear, leave, tool
from tests.wire.servers.test_http_link import serving
from tests.wire.servers.test_http_sessions import answers, sessions


def closing(script: Script, method: str, times: int = 1) -> Script:
    """Hangs up instead of an answer to this method, on connections that were used before."""
    used: set[int] = set()
    closed = 0

    async def answered(wire: Wire) -> None:
        nonlocal closed
        again, closing = wire.connection in used, wire.request.rpc.get("method") == method
        used.add(wire.connection)
        if closing and again and closed < times:
            closed += 1
            wire.close()
        else:
            await script(wire)

    return answered


async def test_a_session_is_asked_for_again_where_a_kept_connection_had_ended() -> None:
    async with serving(closing(sessions(answers), "initialize")) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert (outcome.kind, heard.methods().count("initialize")) == ("ok", 2)


async def test_it_is_asked_for_twice_at_most() -> None:
    async def never(wire: Wire) -> None:
        if wire.request.rpc.get("method") == "initialize":
            wire.close()
        else:
            await sessions(answers)(wire)

    async with serving(never) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert (outcome.kind, heard.methods().count("initialize")) == ("rejected", 2)


async def test_the_era_is_asked_for_again_where_a_kept_connection_had_ended() -> None:
    async with serving(closing(sessions(answers), "server/discover")) as (server, heard):
        await server.fetch("tools/list", {})
        await server.fetch("server/discover", {})
    assert heard.methods().count("server/discover") == 3


async def test_a_call_is_not() -> None:
    async with serving(closing(sessions(answers), "tools/call")) as (server, heard):
        outcome = await server.call(leave(), tool("echo"), Ear())
    assert (outcome.kind, heard.methods().count("tools/call")) == ("in_doubt", 1)


async def test_a_server_that_is_gone_opens_none() -> None:
    async with serving(sessions(answers)) as (server, _):
        await server.fetch("tools/list", {})
        await server.aclose()
        with pytest.raises(ServerUnavailable, match="closed"):
            await server.fetch("server/discover", {})
