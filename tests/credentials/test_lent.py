"""A server that is called with credentials: what goes in, and what does not come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.core.model import Answer, Effect, JsonObject, Outcome, RpcError
from gateway.core.over import Ear, Over
from gateway.core.record import Permit, Sealed, State, permit
from gateway.credentials.hidden import MARK
from gateway.credentials.lent import Discreet, Lent
from gateway.ports import Channel, Outbound, ServerUnavailable, Watch, Watched
from gateway.wire.servers.watches import Watches
from tests.credentials.lending import NEVER_MADE, World
from tests.free import Still
from tests.servers.clients import AGENT, Remembers, leave

READ = Outbound("tools/call", {"name": "x"}, AGENT, "owner")


class Telling:
    """The backend of a server that refuses to be watched, in words with its secret."""

    async def add(self, watch: Watch, channel: Channel) -> RpcError | None:
        return RpcError(1, "secret-of-lease-0001")

    def drop(self, watch: Watch) -> None:
        return


class Server(Still):
    """A tool server that tells what it was given, as it is told."""

    def __init__(self) -> None:
        self.got: list[Outbound] = []
        self.watched = Watches(Telling())
        self.tells = "result"

    @property
    def watches(self) -> Watched:
        return self.watched

    async def call(self, permit: Permit, message: Outbound, channel: Channel) -> Outcome:
        self.got.append(message)
        assert message.credential is not None
        secret = message.credential.headers[0][1]
        if self.tells == "note":
            await channel.notify("notifications/message", {"data": secret})
            return Outcome("ok", result={"n": 1})
        if self.tells == "question":
            await channel.ask("elicitation/create", {"message": secret})
            return Outcome("ok", result={"n": 1})
        if self.tells == "nothing":
            return Outcome("ok", result={"n": 1})
        return Outcome("ok", result={"text": secret})

    async def fetch(self, method: str, params: JsonObject) -> JsonObject:
        if method == "fails":
            raise ServerUnavailable("secret-of-lease-0001", RpcError(1, "secret-of-lease-0001"))
        return {"tools": [{"description": "secret-of-lease-0001"}]}

    async def changes(self) -> AsyncIterator[str]:
        yield "restarted"

    def describe(self) -> JsonObject:
        return {"instructions": "secret-of-lease-0001"}


class Outlet:
    async def begin(self) -> bool:
        raise AssertionError("only a whole result can be searched")

    async def write(self, *pieces: bytes) -> None:
        raise AssertionError

    def add(self, pieces: Sequence[bytes]) -> bool:
        raise AssertionError


def lent() -> tuple[World, Server, Lent]:
    world, server = World(), Server()
    return world, server, Lent("tried", server, world.lender)


def writing() -> Permit:
    return permit(Sealed("call-1", State.INTENT, 1), Effect.DESTROY)


async def test_a_call_goes_with_a_credential_and_without_an_outlet() -> None:
    world, server, around = lent()
    server.tells = "nothing"
    outcome = await around.call(
        leave(), Outbound(**{**_fields(READ), "outlet": Outlet()}), Remembers()
    )
    (got,) = server.got
    assert got.credential is not None and got.outlet is None
    assert got.principal != READ.principal and got.principal.startswith("owner ")
    assert outcome.credential == got.credential.lease
    assert world.journal.told == ["credentials/issued"]


async def test_what_comes_after_a_call_holds_none_either() -> None:
    _, server, around = lent()
    told: list[JsonObject] = []
    over = Over()
    ear = Ear(over, lambda _, params, *__: told.append(params))
    await around.call(leave(), Outbound(**{**_fields(READ), "ear": ear}), Remembers())
    [got] = server.got
    assert got.ear is not None and got.credential is not None
    got.ear.tell("notifications/message", {"data": got.credential.headers[0][1]})
    assert (told, got.ear.over is over) == ([{"data": f"Bearer {MARK}"}], True)


def _fields(message: Outbound) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


async def test_without_one_nothing_is_forwarded() -> None:
    world, server, around = lent()
    world.provider.refuses = NEVER_MADE
    outcome = await around.call(leave(), READ, Remembers())
    assert server.got == []
    assert outcome.kind == "rejected" and outcome.error is not None
    assert outcome.error.data == {"reason": "credential_unavailable", "server": "tried"}
    assert "it said no" not in outcome.error.message


@pytest.mark.parametrize("way", ["note", "question"])
async def test_nothing_of_it_goes_to_the_agent_on_the_way(way: str) -> None:
    _, server, around = lent()
    server.tells = way
    agent = Remembers(lambda *_: _answered())
    await around.call(writing(), READ, agent)
    said = repr(agent.told + agent.asked)
    assert MARK in said and "secret-of" not in said


def test_an_agent_that_can_be_sent_away_still_can() -> None:
    world, paused = World(), list[str]()
    agent = Remembers()
    assert Discreet(agent, world.lender.hidden("tried")).pause is None
    agent.pause = lambda: paused.append("away")  # type: ignore[attr-defined]
    pause = Discreet(agent, world.lender.hidden("tried")).pause
    assert pause is not None
    pause()
    assert paused == ["away"]


async def _answered() -> Answer:
    return Answer({"action": "decline"})


async def test_a_pre_image_with_a_hole_in_it_is_none() -> None:
    """What is hidden would be written back as it stands."""
    _, _, around = lent()
    own = await around.call(leave(), READ, Remembers())
    undone = await around.call(writing(), READ, Remembers())
    assert (own.kind, own.result) == ("in_doubt", None)
    assert (undone.kind, undone.result) == ("ok", {"text": f"Bearer {MARK}"})


async def test_the_gateways_own_reads_and_undos_have_different_accounts() -> None:
    world, server, around = lent()
    server.tells = "nothing"
    await around.call(leave(), READ, Remembers())
    await around.call(writing(), READ, Remembers())
    assert [one.account.tier for one in world.provider.asked] == ["data", "tool"]


async def test_what_is_listed_and_described_holds_none() -> None:
    world, _, around = lent()
    await world.lender.own("tried")
    assert "secret-of" not in repr(await around.fetch("tools/list", {}))
    assert "secret-of" not in repr(around.describe())
    with pytest.raises(ServerUnavailable) as caught:
        await around.fetch("fails", {})
    assert "secret-of" not in f"{caught.value} {caught.value.error}"


async def test_what_is_told_of_what_is_watched_holds_none() -> None:
    world, server, around = lent()
    await world.lender.own("tried")
    heard: list[JsonObject] = []
    around.watches.on_update(lambda method, params, *_: heard.append(params))
    done = {"taskId": "t", "result": {"text": "secret-of-lease-0001"}}
    server.watched.updated("notifications/tasks", done)
    error = await around.watches.acquire(("task", "t"))
    assert heard == [{"taskId": "t", "result": {"text": MARK}}]
    assert error == RpcError(1, MARK)


async def test_one_in_memory_is_waited_for_by_nobody() -> None:
    """The hot path: a call whose credential is cached runs to the server without giving up its turn."""
    _, server, around = lent()
    server.tells = "nothing"
    await around.call(leave(), READ, Remembers())
    going = around.call(leave(), READ, Remembers())
    with pytest.raises(StopIteration):
        going.send(None)
    assert len(server.got) == 2
