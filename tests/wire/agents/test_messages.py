"""Bodies: one JSON-RPC message with one reading, or a clear no."""

from __future__ import annotations

import asyncio
import json
import os

import psutil
import pytest

from gateway.core.model import RpcError
from gateway.wire.agents.exchange import Rejected
from gateway.wire.agents.limits import Limits
from gateway.wire.agents.messages import Call, Note, Response, read
from tests.wire.agents.house import serving
from tests.wire.agents.raw import META, connection, headers, post, stateless

ENVELOPE = json.dumps(META)


def tool_call(arguments: str) -> bytes:
    """A call whose arguments are written by hand."""
    return (
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        f'{{"_meta":{ENVELOPE},"name":"echo","arguments":{arguments}}}}}'
    ).encode()


PLAIN = tool_call('{"path":"/tmp"}')


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (tool_call('{"path":"/tmp","path":"/etc/shadow"}'), -32700, "malformed"),
        (PLAIN.replace(b'"name":"echo"', b'"name":"echo","name":"fail"'), -32700, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700, "malformed"),
        (PLAIN.decode().encode("utf-16"), -32700, "malformed"),
        (b"\xef\xbb\xbf" + PLAIN, -32700, "malformed"),
        (tool_call('{"a":"\\ud800"}'), -32700, "malformed"),
        (tool_call('{"a":"\\u0000"}'), -32700, "malformed"),
        (tool_call('{"a":"\n"}'), -32700, "malformed"),
        (tool_call('{"a":"\xff"}').replace(b"\xc3\xbf", b"\xff"), -32700, "malformed"),
        (tool_call('{"a":NaN}'), -32700, "malformed"),
        (tool_call('{"a":Infinity}'), -32700, "malformed"),
        (tool_call('{"a":1e999}'), -32700, "malformed"),
        (tool_call('{"a":12345678901234567890123}'), -32700, "malformed"),
        (tool_call('{"a":' + "[" * 900 + "]" * 900 + "}"), -32600, "too_deep"),
        (tool_call('{"a":' + "[" * 9_000 + "]" * 9_000 + "}"), -32600, "too_deep"),
        (b"[" * 9_000, -32600, "too_deep"),
        (b"", -32700, "malformed"),
        (b"{}{}", -32700, "malformed"),
        (b"[" + PLAIN + b"]", -32600, "malformed"),
        (b"[]", -32600, "malformed"),
        (b"3", -32600, "malformed"),
        (b'{"id":1,"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}', -32600, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32602, "malformed"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":false}', -32602, "malformed"),
    ],
)
async def test_a_body_with_no_one_reading_is_refused(body: bytes, code: int, reason: str) -> None:
    given, _ = stateless(content_length=str(len(body)))
    async with serving() as place:
        reply = await post(place, body, given)
    assert (reply.status, reply.error["code"], reply.error["data"]) == (
        400,
        code,
        {"reason": reason},
    )
    assert place.gate.requests == []


async def test_what_was_parsed_is_what_the_gate_gets() -> None:
    arguments = '{"a":[1,2.5,-0,"\\u00e9\\n",null,true,{"b":{}}],"big":9007199254740993}'
    body = tool_call(arguments)
    given, _ = stateless(content_length=str(len(body)))
    async with serving() as place:
        reply = await post(place, body, given)
    assert reply.status == 200
    assert place.gate.requests[0].params["arguments"] == json.loads(arguments)
    assert place.gate.requests[0].params["_meta"] == META


@pytest.mark.parametrize("method", ["tools/call", "prompts/get"])
def test_arguments_that_are_null_are_absent_and_others_stay_as_they_are(method: str) -> None:
    def params(arguments: object) -> object:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"arguments": arguments}}
        said = read(call)
        assert isinstance(said, Call)
        return said.params

    assert params(None) == {}
    others: list[object] = [{}, {"arguments": None}, [], False, ""]
    for given in others:
        assert params(given) == {"arguments": given}


def test_params_that_are_null_are_absent_and_what_is_in_a_vendors_is_its_own() -> None:
    assert read({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": None}) == Call(
        1, "ping", {}
    )
    note = {"jsonrpc": "2.0", "method": "notifications/initialized", "params": None}
    assert read(note) == Note("notifications/initialized", {})
    vendor = {"jsonrpc": "2.0", "id": 1, "method": "acme/do", "params": {"arguments": None}}
    assert read(vendor) == Call(1, "acme/do", {"arguments": None})


def test_a_result_or_error_that_is_null_is_absent() -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": None, "error": None}
    assert read(ping) == Call(1, "ping", {})
    assert read({"jsonrpc": "2.0", "id": 1, "result": {}, "error": None}) == Response(1, {}, None)
    error = {"code": -1, "message": "no"}
    failed = Response(1, None, RpcError(-1, "no"))
    assert read({"jsonrpc": "2.0", "id": 1, "result": None, "error": error}) == failed
    with pytest.raises(Rejected):
        read({"jsonrpc": "2.0", "id": 1, "result": None, "error": None})


async def test_a_call_whose_arguments_are_null_comes_to_the_gate_without_them() -> None:
    body = tool_call("null")
    given, _ = stateless(content_length=str(len(body)))
    async with serving() as place:
        reply = await post(place, body, given)
    assert reply.status == 200
    assert place.gate.requests[0].params == {"_meta": META, "name": "echo"}


async def test_a_batch_is_told_what_to_do_instead() -> None:
    body = b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]'
    async with serving() as place:
        reply = await post(place, body)
    assert "one message per request" in reply.error["message"]


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent() -> None:
    given, _ = stateless(content_length=str(64 * 1024 * 1024))
    async with serving() as place, connection(place) as line:
        await line.send(headers=given)
        reply = await line.reply()
        rest = await line.reader.read()
    assert (reply.status, reply.error["data"]) == (413, {"reason": "too_large"})
    assert rest == b"", "the connection is closed"


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_who_sends_too_much_hears_why_when_all_is_sent(framing: str) -> None:
    size = 8 * 1024 * 1024
    given, _ = stateless(content_length=str(size))
    body = b" " * size
    if framing == "chunked":
        given, _ = stateless(content_length=None, transfer_encoding="chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, body)
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        await line.send(headers=given, body=body)
        reply = await line.reply()
    assert (reply.status, reply.error["data"]) == (413, {"reason": "too_large"})


async def test_a_64_mib_body_in_chunks_leaves_memory_bounded_and_others_served() -> None:
    given, body = stateless(content_length=None, transfer_encoding="chunked")
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    before = psutil.Process(os.getpid()).memory_info().rss
    async with serving() as place, connection(place) as line:
        await line.send(headers=given)
        sent = 0
        try:
            async with asyncio.timeout(20):
                while sent < 1024:
                    line.writer.write(piece)
                    await line.writer.drain()
                    sent += 1
        except ConnectionError:
            sent = min(sent, 1023)
        after = psutil.Process(os.getpid()).memory_info().rss
        other = await post(place, body, stateless()[0])
    assert sent < 1024, "the connection was closed while we were sending"
    assert after - before < 24 * 1024 * 1024
    assert other.status == 200


async def test_a_100000_deep_body_leaves_memory_bounded() -> None:
    body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    before = psutil.Process(os.getpid()).memory_info().rss
    async with serving() as place:
        replies = [await post(place, body, headers(body)) for _ in range(5)]
    after = psutil.Process(os.getpid()).memory_info().rss
    # Which bound it breaks first is the parser's affair.
    assert {reply.status for reply in replies} <= {400, 413}
    assert after - before < 24 * 1024 * 1024


async def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    given, _ = stateless(content_length="100")
    async with serving(limits=Limits(body_seconds=0.05)) as place, connection(place) as line:
        await line.send(headers=given, body=b"{")
        reply = await line.reply()
    assert (reply.status, reply.headers["connection"]) == (408, "close")


async def test_a_large_body_is_read_in_a_thread_and_answered_alike() -> None:
    body = tool_call('{"a":"' + "x" * 200_000 + '"}')
    given, _ = stateless(content_length=str(len(body)))
    async with serving() as place:
        reply = await post(place, body, given)
    assert reply.status == 200
    assert len(place.gate.requests[0].params["arguments"]["a"]) == 200_000
