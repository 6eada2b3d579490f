"""What is watched at a real server of each era: asked for once, told, let go (checklist L2, L3, O6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.core.model import JsonObject, RpcError
from gateway.ports import Watch
from gateway.values import replace
from gateway.wire.servers.http import HttpServer
from gateway.wire.servers.watches import Watches
from tests.servers.http_sdk import World
from tests.wire.servers.test_http import ERAS, Ear, connected, leave, tool

WATCHED: Watch = ("resource", "test://watched")
ID = "io.modelcontextprotocol/subscriptionId"
OTHER: Watch = ("resource", "test://other")


class Told:
    """Remembers what was told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.news: list[tuple[str, JsonObject]] = []
        self.session = ""
        """Whom the last was for."""
        self._arrived = asyncio.Event()

    def __call__(self, method: str, params: JsonObject, session: str = "", /) -> None:
        self.session = session
        self.news.append((method, params))
        self._arrived.set()

    async def next(self) -> tuple[str, JsonObject]:
        while not self.news:
            self._arrived.clear()
            await self._arrived.wait()
        return self.news.pop(0)


async def followed(server: HttpServer) -> asyncio.Task[None]:
    """As the catalogue does: somebody reads the server's changes."""

    async def read() -> None:
        async for _ in server.changes():
            pass

    return asyncio.create_task(read())


async def until(world: World, asked: str) -> None:
    while asked not in world.asked:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("era", ERAS)
async def test_l3_an_update_is_told_to_whoever_listens(era: str) -> None:
    told = Told()
    async with connected(era) as (server, _):
        reading = await followed(server)
        server.watches.on_update(told)
        assert await server.watches.acquire(WATCHED) is None
        await server.call(leave(), tool("touch", uri="test://watched"), Ear())
        method, params = await told.next()
        reading.cancel()
    assert (method, params["uri"]) == ("notifications/resources/updated", "test://watched")


async def test_by_which_listen_it_came_is_not_told() -> None:
    watches, told = Watches(Backend()), Told()
    watches.on_update(told)
    metas: list[JsonObject] = [{ID: 5}, {ID: 5, "acme": 1}, {"acme": 1}]
    for meta in metas:
        watches.updated("notifications/resources/updated", {"uri": "test://a", "_meta": meta})
    kept = {"uri": "test://a", "_meta": {"acme": 1}}
    assert [params for _, params in told.news] == [{"uri": "test://a"}, kept, kept]


@pytest.mark.parametrize("era", ERAS)
async def test_what_nobody_watches_any_more_is_not_told(era: str) -> None:
    told = Told()
    async with connected(era) as (server, _):
        reading = await followed(server)
        server.watches.on_update(told)
        assert await server.watches.acquire(WATCHED) is None
        assert await server.watches.acquire(OTHER) is None
        server.watches.release(WATCHED)
        # The server may tell of it until it has read that nobody wants to know.
        while "test://watched" in await told_of_both(server, told):
            told.news.clear()
        reading.cancel()


async def told_of_both(server: HttpServer, told: Told) -> list[str]:
    """What is told when both were touched, up to the one that is watched to the end."""
    await server.call(leave(), tool("touch", uri="test://watched"), Ear())
    await server.call(leave(), tool("touch", uri="test://other"), Ear())
    uris = [""]
    while uris[-1] != "test://other":
        _, params = await told.next()
        uris.append(params["uri"])
    return uris


async def test_l2_a_session_is_asked_once_for_all_and_told_when_the_last_has_gone() -> None:
    async with connected("sessions") as (server, world):
        reading = await followed(server)
        for _ in range(3):
            assert await server.watches.acquire(WATCHED) is None
        server.watches.release(WATCHED)
        server.watches.release(WATCHED)
        before = list(world.asked)
        server.watches.release(WATCHED)
        await until(world, "-test://watched")
        reading.cancel()
    assert before == ["+test://watched"]


async def test_l2_a_stateless_server_has_one_listen_for_all_that_is_watched() -> None:
    told = Told()
    async with connected("stateless") as (server, world):
        server.watches.on_update(told)
        got = await asyncio.gather(
            *(server.watches.acquire(("resource", f"test://{n}")) for n in range(20))
        )
        listens = world.methods().count("subscriptions/listen")
        await server.call(leave(), tool("touch", uri="test://7"), Ear())
        _, params = await told.next()
    assert got == [None] * 20
    assert listens < 4
    assert params["uri"] == "test://7"


async def test_l1_a_sessions_server_cannot_be_asked_about_tasks() -> None:
    async with connected("sessions") as (server, _):
        error = await server.watches.acquire(("task", "t1"))
    assert error is not None


async def test_l2_a_session_that_was_lost_is_asked_again_and_counts_as_changed() -> None:
    told = Told()
    async with connected("sessions") as (server, world):
        reading = await followed(server)
        server.watches.on_update(told)
        assert await server.watches.acquire(WATCHED) is None
        world.asked.clear()
        world.terminate = True
        await server.fetch("tools/list", {})
        await until(world, "+test://watched")
        method, params = await told.next()
        reading.cancel()
    assert (method, params) == ("notifications/resources/updated", {"uri": "test://watched"})


@pytest.mark.parametrize("uri", ["test://asking", "test://asking-loose"])
async def test_what_a_session_server_asks_while_an_agent_subscribes_is_asked_of_that_agent(
    uri: str,
) -> None:
    """On the request's own stream, or on the session's, as older releases of "everything" do."""
    who = Ear()
    async with connected("sessions") as (server, world):
        reading = await followed(server)
        asked = replace(tool(""), method="resources/subscribe", params={"uri": uri})
        outcome = await server.call(leave(), asked, who)
        reading.cancel()
    assert outcome.kind == "ok"
    assert [method for method, _ in who.asked] == ["elicitation/create"]
    assert f"+{uri}" in world.asked


class Backend:
    """Remembers; refuses what it is told to."""

    def __init__(self, error: RpcError | None = None) -> None:
        self.error = error
        self.said: list[str] = []
        self.go = asyncio.Event()
        self.go.set()

    async def add(self, watch: Any, channel: Any) -> RpcError | None:
        self.said.append(f"+{watch[1]}")
        await self.go.wait()
        return self.error

    def drop(self, watch: Any) -> None:
        self.said.append(f"-{watch[1]}")


async def test_a_refusal_is_every_askers_and_the_next_one_asks_again() -> None:
    backend = Backend(RpcError(-32601, "no"))
    watches = Watches(backend)
    got = await asyncio.gather(*(watches.acquire(WATCHED) for _ in range(3)))
    await watches.acquire(WATCHED)
    assert [error and error.message for error in got] == ["no"] * 3
    assert backend.said == ["+test://watched", "-test://watched"] * 2


async def test_an_asker_that_goes_away_leaves_no_count_behind() -> None:
    backend = Backend()
    backend.go.clear()
    watches = Watches(backend)
    asking = asyncio.create_task(watches.acquire(WATCHED))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    backend.go.set()
    assert backend.said[-1] == "-test://watched"


async def test_a_backend_that_fails_is_a_refusal() -> None:
    class Broken(Backend):
        async def add(self, watch: Any, channel: Any) -> RpcError | None:
            raise RuntimeError("secret")

    error = await Watches(Broken()).acquire(WATCHED)
    assert error is not None and "secret" not in error.message


@pytest.mark.parametrize("era", ERAS)
async def test_h9_a_session_server_is_told_the_widest_level_anyone_asked_for(era: str) -> None:
    async with connected(era) as (server, world):
        await server.fetch("server/discover", {})
        message = tool("echo", text="x")
        for level in ("error", "warning", "critical", None):
            client = replace(message.client, log_level=level)
            await server.call(leave(), replace(message, client=client), Ear())
    announced = [one for one in world.asked if one.startswith("level")]
    assert announced == (["level error", "level warning"] if era == "sessions" else [])
