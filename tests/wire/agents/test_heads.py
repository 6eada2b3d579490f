"""A stranger who never finishes the head of a request costs a bounded number of bytes for a bounded time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.wire.agents import heads
from tests.clock import ahead
from tests.wire.agents.house import serving
from tests.wire.agents.raw import connection, stateless

ROOT = Path(__file__).parents[3]
MIB = b"a" * 1024 * 1024


async def _sent_before_the_end(start: bytes, piece: bytes) -> int:
    """Mebibytes that could be sent until the connection ended."""
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        line.writer.write(start)
        sent = 0
        with suppress(ConnectionError):
            while sent < 64:
                line.writer.write(piece)
                await line.writer.drain()
                sent += 1
        return sent


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", MIB),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nX: ", MIB),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\n", b"X: " + MIB + b"\r\n"),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\n", (b"X: " + b"a" * 1000 + b"\r\n") * 1000),
        (
            b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
            MIB,
        ),
    ],
)
async def test_a_head_without_end_ends_the_connection(start: bytes, piece: bytes) -> None:
    assert await _sent_before_the_end(start, piece) < 32


async def test_a_head_that_is_too_large_is_told_so() -> None:
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        line.writer.write(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * heads.MAX_HEAD)
        reply = await line.head()
    assert reply.status == 431


UPGRADE = (
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("UPGRADE", "h2c"),
    ("HTTP2-Settings", "AAEA"),
)


async def test_who_offers_another_protocol_is_answered_in_this_one() -> None:
    given, body = stateless()
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        for _ in range(2):
            await line.send(headers=[*UPGRADE, *given], body=body)
            assert (await line.reply()).status == 200
    assert [request.method for request in place.gate.requests] == ["tools/call"] * 2


async def test_another_protocol_may_be_offered_in_a_head_that_comes_in_two_parts() -> None:
    given, body = stateless()
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        host = ("Host", f"{place.host}:{place.port}")
        head = [f"{name}: {value}" for name, value in (*UPGRADE, host, *given)]
        whole = "\r\n".join(["POST /mcp HTTP/1.1", *head, "", ""]).encode() + body
        cut = whole.index(b"HTTP2-Settings: AAEA")
        for part in (whole[:cut], whole[cut:]):
            line.writer.write(part)
            await line.writer.drain()
            await asyncio.sleep(0.05)  # so that it is read by itself
        assert (await line.reply()).status == 200
    assert [request.method for request in place.gate.requests] == ["tools/call"]


@pytest.mark.parametrize("apart", [b"\r\nUPGR", b"\r\nHTTP2-Settings", b"\r\n\r\n"])
async def test_the_body_of_a_request_with_an_upgrade_is_never_a_request(apart: bytes) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: %b\r\n\r\n"
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        inner %= f"{place.host}:{place.port}".encode()
        head = [f"{name}: {value}".encode() for name, value in UPGRADE]
        head += [b"Host: a", b"Content-Length: %d" % len(inner)]
        whole = b"\r\n".join([b"POST /mcp HTTP/1.1", *head]) + b"\r\n\r\n"
        cut = whole.index(apart) + len(apart)
        for part in (whole[:cut], whole[cut:] + inner):
            line.writer.write(part)
            await line.writer.drain()
            await asyncio.sleep(0.05)  # so that it is read by itself
        line.writer.write_eof()
        said = await line.reader.read()
    assert b"alive" not in said


@pytest.mark.parametrize("tool", ["echo", "progress"])
async def test_what_is_no_request_is_not_answered_in_the_place_of_the_call_before_it(
    tool: str,
) -> None:
    given, body = stateless(params={"name": tool}, **{"mcp-name": tool})
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        await line.send(headers=given, body=body + b"\0\r\n\r\n")
        reply = await line.reply()
        rest = await line.reader.read()
    assert (reply.status, rest) == (200, b"")
    assert [request.method for request in place.gate.requests] == ["tools/call"]
    assert place.gate.cancelled == []


async def test_who_hangs_up_with_more_requests_waiting_is_missed_by_the_one_being_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    given, body = stateless(params={"name": "hang"}, **{"mcp-name": "hang"})
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        for _ in range(3):
            await line.send(headers=given, body=body)
        await place.gate.started.wait()
        line.hang_up()
        await place.gate.ended.wait()
    assert len(place.gate.requests) == len(place.gate.cancelled) == 1
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_a_body_that_breaks_off_under_an_answer_puts_no_other_answer_into_it() -> None:
    given, body = stateless(params={"name": "hang"}, **{"mcp-name": "hang"})
    broken = b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        await line.send(headers=[*given, ("te", "trailers")], body=body)  # never the lane's
        await place.gate.started.wait()
        line.writer.write(broken)
        rest = await line.reader.read()
    assert rest == b""


@pytest.mark.parametrize("start", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost:"])
async def test_a_head_that_takes_too_long_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.05)
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        line.writer.write(start)
        rest = b""
        with suppress(ConnectionResetError):  # it ended before it had read what there was
            rest = await line.reader.read()
    assert rest == b""


async def test_an_answer_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 5.0)
    given, body = stateless("tools/call", {"name": "hang", "arguments": {}})
    async with serving() as place, connection(place) as line, asyncio.timeout(20):
        await line.send(headers=given, body=body)
        await place.gate.started.wait()
        ahead(6)
        await asyncio.sleep(0.01)  # who is too slow by now is found to be
        place.gate.go.set()
        first = await line.reply()
        await line.send(headers=given, body=body)
        second = await line.reply()
    assert (first.status, second.status) == (200, 200)


async def test_a_connection_too_many_is_told_so_and_the_others_are_served() -> None:
    given, body = stateless("tools/call", {"name": "echo", "arguments": {}})
    async with serving(bounds={"connections": 2}) as place, asyncio.timeout(20):
        async with connection(place) as one, connection(place) as two:
            for line in (one, two):
                await line.send(headers=given, body=body)
                assert (await line.reply()).status == 200
            async with connection(place) as third:
                refused = await third.head()
                rest = await third.reader.read()
            await one.send(headers=given, body=body)
            served = await one.reply()
        again = 503
        while again == 503:  # until the server has seen the others go
            async with connection(place) as later:
                await later.send(headers=given, body=body)
                again = (await later.head()).status
    assert (refused.status, refused.headers["retry-after"], rest) == (503, "1", b"")
    assert (served.status, again) == (200, 200)


FEW = """\
import resource
from gateway.wire.agents.heads import BoundedHeads, at_most
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
print(at_most(4096, BoundedHeads).most, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("hard", "most"), [(1024, 512), (4096, 3072)])
def test_files_the_system_does_not_give_are_not_given_to_strangers(hard: int, most: int) -> None:
    words = [sys.executable, "-c", FEW.format(hard=hard)]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    assert ran.stdout.split() == [str(most), str(hard)]
    assert f"{most} connections at most" in ran.stderr
