"""A stdio server of the stateless era is listened to for what is watched there (checklist L1 to L4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.model import JsonObject
from gateway.ports import Watch
from gateway.settings import ServerSettings
from gateway.wire.servers import listens, stdio_watch
from gateway.wire.servers.stdio import StdioServer
from tests.servers.clients import Remembers, call, command, leave, seen, tool
from tests.wire.servers.test_watches import Told

A: Watch = ("resource", "test://a")
B: Watch = ("resource", "test://b")
T: Watch = ("task", "t1")
UPDATED = "notifications/resources/updated"


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[tuple[StdioServer, Told]]:
    settings = ServerSettings(command=command("--eras", "both", *options))
    server, told = StdioServer("tried", settings), Told()
    server.watches.on_update(told)
    try:
        async with asyncio.timeout(20):
            yield server, told
    finally:
        await server.aclose()


async def listened(server: StdioServer) -> list[JsonObject]:
    """What each listen asked for so far, but for changed lists."""
    asked = [one["params"]["notifications"] for one in await seen(server, "subscriptions/listen")]
    return [one for one in asked if "toolsListChanged" not in one]


async def test_l3_l4_an_update_of_what_is_watched_is_told() -> None:
    task: JsonObject = {"taskId": "t1", "status": "completed"}
    async with running() as (server, told):
        errors = await asyncio.gather(*(server.watches.acquire(one) for one in (A, A, T)))
        await call(server, "news", method=UPDATED, params={"uri": "test://a"})
        await call(server, "news", method="notifications/tasks", params=task)
        heard = [await told.next(), await told.next()]
        asked = await listened(server)
    assert errors == [None] * 3
    assert [(method, params.get("uri"), params.get("taskId")) for method, params in heard] == [
        (UPDATED, "test://a", None),
        ("notifications/tasks", None, "t1"),
    ]
    assert asked == [{"resourceSubscriptions": ["test://a"], "taskIds": ["t1"]}]


async def test_l1_what_it_does_not_acknowledge_is_refused() -> None:
    async with running() as (server, _):
        refused = await server.watches.acquire(("resource", "other://x"))
        assert await server.watches.acquire(A) is None
    assert refused is not None and "does not tell" in refused.message


async def test_l2_a_listen_follows_what_is_watched_and_the_one_before_is_cancelled() -> None:
    async with running() as (server, _):
        for one in (A, B):
            assert await server.watches.acquire(one) is None
        server.watches.release(A)
        while len(asked := await listened(server)) < 3:
            await asyncio.sleep(0.01)
        while len((await call(server, "seen")).result["cancelled"]) < 2:  # type: ignore[index]
            await asyncio.sleep(0.01)
    uris = [one["resourceSubscriptions"] for one in asked]
    assert uris == [["test://a"], ["test://a", "test://b"], ["test://b"]]


async def test_l2_after_a_restart_it_is_asked_again_and_what_is_watched_counts_as_updated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listens, "AGAIN", (0.01, 0.1))
    async with running() as (server, told):
        await server.watches.acquire(A)
        await server.fence()
        heard = await told.next()
        asked = await listened(server)
    assert heard == (UPDATED, {"uri": "test://a"})
    assert {"resourceSubscriptions": ["test://a"]} in asked


async def test_l2_a_listen_that_has_lasted_too_long_is_cancelled_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stdio_watch, "FOREVER", 0.2)
    async with running() as (server, _):
        await server.watches.acquire(A)
        while not (await call(server, "seen")).result["cancelled"]:  # type: ignore[index]
            await asyncio.sleep(0.01)


async def test_what_it_says_of_a_listen_is_no_agents_news() -> None:
    agent = Remembers()
    async with running() as (server, _):
        waiting = asyncio.ensure_future(server.call(leave(), tool("wait"), agent))
        await server.watches.acquire(A)
        await call(server, "release")
        await waiting
    assert agent.told == []
