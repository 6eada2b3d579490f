"""gateway.wire.servers.able: lists that a server shows only to clients which can answer its questions."""

from __future__ import annotations

import asyncio

import pytest

from gateway.settings import ServerSettings
from gateway.wire.servers.able import able
from gateway.wire.servers.http import HttpServer
from tests.servers.http_raw import Heard, Wire, raw_server
from tests.wire.servers.test_http import Ear, leave
from tests.wire.servers.test_http_sessions import HELLO, in_session, sessions


def opened_with(heard: Heard, wire: Wire) -> set[str]:
    """The capabilities its session was opened with: the sessions are s-1, s-2 and so on."""
    lines = wire.request.head.lower().split("\r\n")
    number = next(int(line.split("s-")[-1]) for line in lines if line.startswith("mcp-session-id"))
    greetings = [one.rpc for one in heard.requests if one.rpc.get("method") == "initialize"]
    return set(greetings[number - 1]["params"]["capabilities"])


@pytest.mark.parametrize(
    ("listed_to", "names"),
    [((), ["echo"]), (("sampling",), ["echo"]), (("elicitation", "roots"), ["echo", "ask"])],
)
async def test_an_http_servers_lists_are_read_as_by_a_client_that_can_answer(
    listed_to: tuple[str, ...], names: list[str]
) -> None:
    async def script(wire: Wire) -> None:
        if wire.request.head.startswith("GET"):
            await wire.say(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
        elif wire.request.rpc["method"] == "tools/list":
            more = ["ask"] if "elicitation" in opened_with(heard, wire) else []
            await wire.answer({"tools": [{"name": name} for name in ["echo", *more]]})
        else:
            await wire.answer({})

    async with raw_server(sessions(script)) as (url, heard), asyncio.timeout(20):
        settings = ServerSettings.model_validate({"url": url, "listed_to": listed_to})
        server = HttpServer("raw", settings)
        try:
            for _ in range(2):
                listed = await server.fetch("tools/list", {})
                assert [one["name"] for one in listed["tools"]] == names
            await server.call(leave(), in_session("one"), Ear())
            assert server.describe()["server_info"] == HELLO["serverInfo"]
        finally:
            await server.aclose()
    greetings = [one.rpc for one in heard.requests if one.rpc.get("method") == "initialize"]
    said = [set(one["params"]["capabilities"]) for one in greetings]
    assert said == [set(listed_to), {"elicitation"}]


def test_it_can_answer_all_that_is_named_and_nothing_else() -> None:
    assert able({"roots", "sampling"}).capabilities == {
        "roots": {},
        "sampling": {"context": {}, "tools": {}},
    }


def test_over_stdio_it_is_said_by_another_key() -> None:
    with pytest.raises(ValueError, match="listed_to is for a url"):
        ServerSettings(command=("cat",), listed_to=("roots",))
