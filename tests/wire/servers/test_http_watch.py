"""One standing listen at a stateless server: honest, opened again after a loss (checklist L1, L2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.model import JsonObject
from gateway.wire.servers import listens as watching
from tests.servers.http_raw import Wire
from tests.wire.servers.test_http_link import serving, stateless
from tests.wire.servers.test_watches import Told


def said(method: str, params: JsonObject) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return b"data: " + json.dumps(message).encode() + b"\n\n"


async def acknowledge(wire: Wire, only: str = "test://") -> None:
    """Honours the resources of which the URI begins so, and every task."""
    wanted: Any = wire.request.rpc["params"]["notifications"]
    uris = [one for one in wanted.get("resourceSubscriptions", []) if one.startswith(only)]
    honoured = {"resourceSubscriptions": uris, "taskIds": wanted.get("taskIds", [])}
    await wire.stream()
    params: JsonObject = {"notifications": honoured}
    await wire.say(said("notifications/subscriptions/acknowledged", params))


async def test_l2_a_listen_that_is_lost_is_opened_again_and_what_it_watched_counts_as_updated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "AGAIN", (0.01, 0.02))
    listens = 0

    async def script(wire: Wire) -> None:
        nonlocal listens
        listens += 1
        if listens == 2:
            wire.close()  # not back yet
            return
        await acknowledge(wire)
        if listens == 1:
            wire.close()

    told = Told()
    async with serving(stateless(script)) as (server, _):
        server.watches.on_update(told)
        assert await server.watches.acquire(("resource", "test://a")) is None
        method, params = await told.next()
    assert (method, params) == ("notifications/resources/updated", {"uri": "test://a"})
    assert listens >= 3


async def test_l1_what_the_server_does_not_acknowledge_is_refused_and_the_rest_goes_on() -> None:
    async def script(wire: Wire) -> None:
        await acknowledge(wire, "test://a")

    async with serving(stateless(script)) as (server, _):
        first = await server.watches.acquire(("resource", "test://a"))
        second = await server.watches.acquire(("resource", "test://b"))
        third = await server.watches.acquire(("task", "t1"))
    assert first is None and third is None
    assert second is not None and "Not subscribed" in second.message


async def test_l1_a_server_that_knows_no_listen_says_so_itself() -> None:
    async def script(wire: Wire) -> None:
        error = {"code": -32601, "message": "Method not found", "data": {"vendor": 1}}
        body = {"jsonrpc": "2.0", "id": wire.request.rpc["id"], "error": error}
        await wire.json(body, "404 Not Found")

    async with serving(stateless(script)) as (server, _):
        error = await server.watches.acquire(("resource", "test://a"))
    assert error is not None
    assert (error.code, error.data) == (-32601, {"vendor": 1})


async def test_l2_a_refused_listen_does_not_end_the_one_that_stands() -> None:
    async def script(wire: Wire) -> None:
        wanted = wire.request.rpc["params"]["notifications"]["resourceSubscriptions"]
        if "test://b" in wanted:
            error = {"code": -32602, "message": "no"}
            body = {"jsonrpc": "2.0", "id": wire.request.rpc["id"], "error": error}
            await wire.json(body, "400 Bad Request")
            return
        await acknowledge(wire)
        standing.append(wire)

    standing: list[Wire] = []
    told = Told()
    async with serving(stateless(script)) as (server, _):
        server.watches.on_update(told)
        await server.watches.acquire(("resource", "test://a"))
        refused = await server.watches.acquire(("resource", "test://b"))
        await standing[0].say(said("notifications/resources/updated", {"uri": "test://a"}))
        _, params = await told.next()
    assert refused is not None and refused.code == -32602
    assert params == {"uri": "test://a"}
