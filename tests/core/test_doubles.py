"""Which numbers are lost when JSON is read into doubles, and that tool servers' answers say so where it is asked."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.doubles import is_exact, rounds
from gateway.core.model import Outcome
from gateway.settings import ServerSettings
from gateway.undo.alike import same
from gateway.undo.functions import FUNCTIONS
from gateway.values import replace
from gateway.wire.servers.http import HttpServer
from gateway.wire.servers.stdio import StdioServer
from tests.servers.clients import Remembers, leave, tool
from tests.servers.http_raw import Wire, raw_server

PRICE = '{"price": 12345678901234.123456}'
SCRIPT = """\
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = '{"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}'
        if asked["method"] == "tools/call":
            result = '{"content": [], "structuredContent": %s}' % sys.argv[1]
        print('{"jsonrpc": "2.0", "id": %d, "result": %s}' % (asked["id"], result), flush=True)
"""


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".17g", ".25g"]))
def test_every_double_is_exact_however_long_it_is_written(number: float, form: str) -> None:
    assert is_exact(repr(number) if form == "r" else format(number, form))


@pytest.mark.parametrize(
    "literal", ["0.12345678901234567891", "12345678901234.123456", "1e400", "1e-999", "-9e999"]
)
def test_what_no_double_is_is_not(literal: str) -> None:
    assert not is_exact(literal)
    assert rounds(f'[{{"a": {literal}}}]'.encode())


def test_text_and_integers_are_not_rounded() -> None:
    assert not rounds(json.dumps({"text": f'quoted " and {PRICE} \\'}).encode())
    assert not rounds(b'{"id": 123456789012345678901234567890, "b": 1.10, "c": 1e5}')


def test_a_pack_does_not_take_such_a_number_out_of_a_text() -> None:
    with pytest.raises(ValueError, match="no double"):
        FUNCTIONS["json"](PRICE)
    assert FUNCTIONS["json"]('{"price": 12.10}') == {"price": 12.1}


def test_zero_is_not_minus_zero() -> None:
    assert not same([0.0], [-0.0])


@pytest.mark.parametrize(("said", "rounded"), [(PRICE, True), ('{"price": 0.5}', False)])
@pytest.mark.parametrize("how", ["stdio", "json", "stream"])
async def test_who_asks_is_told_that_a_number_was_rounded(
    said: str, rounded: bool, how: str
) -> None:
    asked, plain = await (_over_stdio(said) if how == "stdio" else _over_http(said, how))
    assert (asked.kind, asked.rounded) == ("ok", rounded)
    assert (plain.kind, plain.rounded) == ("ok", False)


async def _over_stdio(said: str) -> tuple[Outcome, Outcome]:
    server = StdioServer("raw", ServerSettings(command=(sys.executable, "-c", SCRIPT, said)))
    return await _asked(server)


async def _over_http(said: str, how: str) -> tuple[Outcome, Outcome]:
    async def script(wire: Wire) -> None:
        rpc = wire.request.rpc
        if rpc.get("method") != "tools/call":
            await wire.answer({"supportedVersions": ["2026-07-28"], "capabilities": {}})
            return
        body = (
            f'{{"jsonrpc": "2.0", "id": {rpc["id"]}, "result": '
            f'{{"content": [], "structuredContent": {said}}}}}'
        ).encode()
        kind = b"text/event-stream" if how == "stream" else b"application/json"
        body = b"data: " + body + b"\n\n" if how == "stream" else body
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        await wire.say(head % (kind, len(body)) + body)

    async with raw_server(script) as (url, _):
        return await _asked(HttpServer("raw", ServerSettings(url=url, era="stateless")))


async def _asked(server: StdioServer | HttpServer) -> tuple[Outcome, Outcome]:
    try:
        async with asyncio.timeout(30):
            return (
                await server.call(leave(), replace(tool("get"), exact=True), Remembers()),
                await server.call(leave(), tool("get"), Remembers()),
            )
    finally:
        await server.aclose()
