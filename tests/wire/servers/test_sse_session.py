"""gateway.wire.servers.sse_session against a server that names odd addresses, hangs up and turns messages away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.credential import Credential
from gateway.ports import ServerUnavailable, WatchedServer
from gateway.settings import ServerSettings
from gateway.wire.servers import open_server, sse_session
from tests.servers.http_raw import Heard, Script, Wire, raw_server
from tests.wire.servers.test_http import Ear, leave
from tests.wire.servers.test_sse_server import sent

ABOUT = {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {"name": "old"}}


class Old:
    """A server by hand: what is posted to the address it names is answered on the newest stream."""

    def __init__(self, named: str = "/post?s=1", event: str = "endpoint") -> None:
        self._named, self._event = named, event
        self.status = "202 Accepted"
        self.end_at = ""
        self._stream: Wire

    async def __call__(self, wire: Wire) -> None:
        rpc = wire.request.rpc
        if not rpc:
            self._stream = wire
            await wire.stream()
            named = f": hello\nevent: {self._event}\ndata: {self._named}\n\n"
            await wire.say(named.encode())
            await asyncio.sleep(60)
            return
        status = "202 Accepted" if rpc["method"] != "tools/call" else self.status
        await wire.say(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        if rpc["method"] == self.end_at:
            self._stream.close()
        elif "id" in rpc and status.startswith("202"):
            result = ABOUT if rpc["method"] == "initialize" else {"content": [], "tools": []}
            await self.tell({"id": rpc["id"], "result": result})

    async def tell(self, message: dict[str, Any]) -> None:
        said = json.dumps({"jsonrpc": "2.0", **message})
        await self._stream.say(f"event: message\ndata: {said}\n\n".encode())


@asynccontextmanager
async def serving(script: Script, **settings: Any) -> AsyncIterator[tuple[WatchedServer, Heard]]:
    async with raw_server(script) as (url, heard):
        told = ServerSettings.model_validate({"url": url, "transport": "sse", **settings})
        server = open_server("old", told)
        try:
            async with asyncio.timeout(20):
                yield server, heard
        finally:
            await server.aclose()


def targets(heard: Heard) -> list[str]:
    return [request.head.split()[1] for request in heard.requests if request.body]


@pytest.mark.parametrize(
    ("named", "target"),
    [("/post?s=1", "/post?s=1"), ("post?s=1", "/post?s=1"), ("?s=1", "/mcp?s=1")],
)
async def test_messages_go_to_the_address_that_the_stream_names(named: str, target: str) -> None:
    async with serving(Old(named)) as (server, heard):
        outcome = await server.call(leave(), sent("echo"), Ear())
    assert outcome.kind == "ok"
    assert set(targets(heard)) == {target}


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://evil.example/post",
        "//evil.example/post",
        "http://127.0.0.1:1/post",
        "https://127.0.0.1/post",
        "http://user:word@127.0.0.1/post",
        "file:///etc/passwd",
        "/post with spaces",
        "/" + "x" * 3000,
    ],
)
async def test_nothing_is_sent_to_another_origin_or_to_what_is_no_address(elsewhere: str) -> None:
    async with serving(Old(elsewhere)) as (server, heard):
        outcome = await server.call(leave(), sent("echo"), Ear())
    assert outcome.kind == "rejected"
    assert targets(heard) == []


async def test_a_stream_that_names_no_address_first_is_none_of_this_transport() -> None:
    async with serving(Old(event="message")) as (server, _):
        outcome = await server.call(leave(), sent("echo"), Ear())
    assert "HTTP+SSE" in outcome.detail


async def test_what_was_posted_when_the_stream_ends_is_in_doubt_and_not_sent_again() -> None:
    old = Old()
    old.end_at = "tools/call"
    async with serving(old) as (server, heard):
        outcome = await server.call(leave(), sent("echo"), Ear())
    assert (outcome.kind, heard.methods().count("tools/call")) == ("in_doubt", 1)
    assert "its stream ended" in outcome.detail


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "307 Elsewhere"])
async def test_a_message_that_is_turned_away_ends_the_session(status: str) -> None:
    old = Old()
    async with serving(old) as (server, heard):
        await server.call(leave(), sent("echo"), Ear())
        old.status = status
        outcome = await server.call(leave(), sent("echo"), Ear())
        old.status = "202 Accepted"
        after = await server.call(leave(), sent("echo", session="s2"), Ear())
    assert (outcome.kind, after.kind) == ("in_doubt", "ok")
    assert f"HTTP {status[:3]}" in outcome.detail
    assert heard.methods().count("tools/call") == 3


async def test_a_server_that_answers_a_post_when_its_call_is_over_is_posted_to_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Holding(Old):
        def __init__(self) -> None:
            super().__init__()
            self.begun = 0
            self.both = asyncio.Event()

        async def __call__(self, wire: Wire) -> None:
            if wire.request.rpc.get("method") == "tools/call":
                self.begun += 1
                if self.begun == 2:
                    self.both.set()
                await self.both.wait()
            await super().__call__(wire)

    monkeypatch.setattr(sse_session, "HELD", 0.01)
    async with serving(Holding()) as (server, heard):
        calls = (server.call(leave(), sent("echo"), Ear()) for _ in range(2))
        outcomes = await asyncio.gather(*calls)
    assert [outcome.kind for outcome in outcomes] == ["ok", "ok"]
    assert heard.methods().count("initialize") == 1


async def test_what_is_not_200_or_no_stream_opens_no_session() -> None:
    async def refuse(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")

    async with serving(refuse) as (server, _):
        with pytest.raises(ServerUnavailable, match="HTTP 405"):
            await server.fetch("tools/list", {})


async def test_a_message_over_the_limit_costs_its_own_call_only() -> None:
    class Loud(Old):
        async def tell(self, message: dict[str, Any]) -> None:
            if "tools" in message.get("result", {}):
                message = {**message, "more": "x" * 100_000}
            await super().tell(message)

    async with serving(Loud(), limits={"max_result": 10_000}) as (server, heard):
        outcome = await server.call(leave(), sent("echo"), Ear())
        await server.call(leave(), sent("echo"), Ear())
    assert outcome.kind == "in_doubt" and "limits.max_result" in outcome.detail
    assert heard.methods().count("initialize") == 1


async def test_its_credential_goes_with_the_stream_and_with_every_message() -> None:
    async def own() -> Credential:
        return Credential("l1", (("Authorization", "Bearer one"),))

    async with raw_server(Old()) as (url, heard):
        server = open_server("old", ServerSettings(url=url, transport="sse"), own=own)
        async with asyncio.timeout(20):
            await server.fetch("tools/list", {})
        await server.aclose()
    assert all("Authorization: Bearer one" in request.head for request in heard.requests)


async def test_neither_a_credential_nor_the_name_of_a_session_is_told_of_an_address_it_refuses() -> (
    None
):
    def hide(text: str) -> str:
        return text.replace("sesame", "(hidden)")

    async def own() -> Credential:
        return Credential("l1", (("Authorization", "Bearer sesame"),), hide=hide)

    async with raw_server(Old("http://evil.example/sesame?s=swordfish")) as (url, _):
        server = open_server("old", ServerSettings(url=url, transport="sse"), own=own)
        with pytest.raises(ServerUnavailable) as no:
            await server.fetch("tools/list", {})
        await server.aclose()
    assert "evil.example/(hidden)' is at another origin" in str(no.value)
    assert "swordfish" not in str(no.value)
