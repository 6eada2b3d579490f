"""gateway.wire.servers.http_connection and http_pool against servers that say any bytes they like."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.wire.servers.http_broken import Broken, NotSent
from gateway.wire.servers.http_connection import MAX_DRY, Connection
from gateway.wire.servers.http_heads import KnownHeads
from gateway.wire.servers.http_pool import Pool, address
from gateway.wire.servers.http_request import Requests
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import Vigil
from tests.clock import ahead
from tests.servers.http_raw import Heard, Script, Wire, raw_server

MIB = 1024 * 1024


class Client:
    """A pool with a way to ask."""

    def __init__(self, url: str) -> None:
        self.pool = Pool(address(url), 2.0)
        self._requests = Requests(address(url), ())

    async def ask(
        self, *, limit: int = MIB, first_byte: float = 2.0, idle: float = 2.0, total: float = 5.0
    ) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + total
        request = self._requests.post(b"", b"{}")
        reply = await self.pool.send(request, Patience(first_byte, idle, deadline))
        try:
            return reply.head.status, await reply.body(limit)
        finally:
            reply.close()


@asynccontextmanager
async def client(script: Script) -> AsyncIterator[tuple[Client, Heard]]:
    async with raw_server(script) as (url, heard):
        asker = Client(url)
        try:
            async with asyncio.timeout(20):
                yield asker, heard
        finally:
            await asker.pool.aclose()


def saying(*pieces: bytes, close: bool = False) -> Script:
    async def script(wire: Wire) -> None:
        for piece in pieces:
            await wire.say(piece)
        if close:
            wire.close()

    return script


async def refused(script: Script, **limits: float) -> str:
    """Why the reply was not believed."""
    async with client(script) as (asker, heard):
        with pytest.raises(Broken) as broken:
            await asker.ask(**limits)  # type: ignore[arg-type]
        await heard.ended.wait()
    return str(broken.value)


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c\r\nhi\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_a_reply_is_read_however_it_is_framed_and_cut(reply: bytes, step: int) -> None:
    pieces = [reply[at : at + step] for at in range(0, len(reply), step)]
    async with client(saying(*pieces)) as (asker, heard):
        assert [await asker.ask(), await asker.ask()] == [(200, b"hi")] * 2
    assert heard.connections == 1


async def test_a_body_without_framing_ends_with_the_connection() -> None:
    async with client(saying(b"HTTP/1.1 200 OK\r\n\r\nhi", close=True)) as (asker, heard):
        assert [await asker.ask(), await asker.ask()] == [(200, b"hi")] * 2
    assert heard.connections == 2


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"Content-Length: 2\r\n\r\nhi",
    ],
)
async def test_a_reply_that_could_be_read_two_ways_is_refused(reply: bytes) -> None:
    assert "HTTP/1.1" in await refused(saying(reply))


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate", b"x-anything"])
async def test_an_encoded_body_is_refused(encoding: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding + b"\r\nContent-Length: 2\r\n\r\nhi"
    assert "encoded" in await refused(saying(head, close=True))


async def test_no_encoding_is_asked_for() -> None:
    async with client(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (asker, heard):
        await asker.ask()
    assert "Accept-Encoding: identity\r\n" in heard.requests[0].head


def _peak() -> int:
    return tracemalloc.get_traced_memory()[1]


async def test_a_gzip_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 32 * MIB)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    tracemalloc.start()
    await refused(saying(head + bomb))
    peak = _peak()
    tracemalloc.stop()
    assert peak < 4 * MIB


@pytest.mark.parametrize(
    "flood",
    [
        b"X-Again: " + b"y" * 2000 + b"\r\n",
        b"",
    ],
    ids=["headers", "one header"],
)
async def test_headers_without_end_are_cut_off(flood: bytes) -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await wire.say(flood or b"y" * 4096)

    tracemalloc.start()
    why = await refused(script)
    peak = _peak()
    tracemalloc.stop()
    assert str(MAX_DRY) in why
    assert peak < 4 * MIB


async def test_chunk_extensions_without_end_are_cut_off() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=")
        while True:
            await wire.say(b"y" * 4096)

    assert str(MAX_DRY) in await refused(script)


async def test_interim_heads_without_end_are_cut_off() -> None:
    async def script(wire: Wire) -> None:
        while True:
            await wire.say(b"HTTP/1.1 103 Hints\r\n\r\n")

    assert str(MAX_DRY) in await refused(script)


async def test_a_body_over_the_limit_is_cut_off_and_not_held() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            await wire.say(b"y" * 65_536)

    tracemalloc.start()
    why = await refused(script)
    peak = _peak()
    tracemalloc.stop()
    assert "max_result" in why
    assert peak < 5 * MIB


async def test_a_slow_reader_stops_the_sender_and_memory_does_not_grow() -> None:
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
        while True:
            await wire.say(b"y" * 65_536)
            sent += 65_536

    async with client(script) as (asker, _):
        request = Requests(address("http://x/"), ()).post(b"", b"{}")
        tracemalloc.start()
        reply = await asker.pool.send(request, Patience(20, 5, float("inf")))
        before = -1
        while sent != before:  # until the sender is stopped by what nobody reads
            before = sent
            await asyncio.sleep(0.3)
        stopped_at = sent
        peak = _peak()
        tracemalloc.stop()
        ahead(6)
        await asyncio.sleep(0.01)  # nobody is found to be late: it is the reader who was
        read = 0
        while read < 4 * stopped_at:
            read += len(await reply.read())
        reply.close()
    assert peak < 8 * MIB
    assert sent > stopped_at


@pytest.mark.parametrize(
    ("pieces", "limits", "word"),
    [
        ([], {"first_byte": 0.1}, "first_byte"),
        ([b"HTTP/1.1 200 OK\r\n"], {"first_byte": 0.1}, "first_byte"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"], {"idle": 0.1}, "idle"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"], {"total": 0.1}, "total"),
    ],
)
async def test_silence_ends_by_the_limit_that_was_passed(
    pieces: list[bytes], limits: dict[str, float], word: str
) -> None:
    assert word in await refused(saying(*pieces), **limits)


async def test_dripping_bytes_do_not_outlive_the_limit_total() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
        while True:
            await wire.say(b"y")
            await asyncio.sleep(0.02)

    assert "total" in await refused(script, idle=5.0, total=0.5)


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
    ],
)
async def test_an_end_in_the_middle_is_a_broken_reply(cut: bytes) -> None:
    async with client(saying(cut, close=True)) as (asker, heard):
        with pytest.raises(Broken) as broken:
            await asker.ask()
    assert broken.value.lost and not broken.value.stale
    assert len(heard.requests) == 1


async def test_a_request_on_a_kept_connection_that_ends_is_not_sent_again() -> None:
    async def script(wire: Wire) -> None:
        if len(heard.requests) == 2:
            wire.close()  # it read the second request, and may have done what it asks
        else:
            await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with client(script) as (asker, heard):
        await asker.ask()
        with pytest.raises(Broken) as broken:
            await asker.ask()
    assert broken.value.stale
    assert len(heard.requests) == 2


async def test_a_kept_connection_that_has_ended_is_found_out_before_use() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        wire.close()

    async with client(script) as (asker, heard):
        for _ in range(5):
            assert await asker.ask() == (200, b"")
            # The loop has not seen the end yet; the socket has.
            await asyncio.sleep(0.01)
    assert (heard.connections, len(heard.requests)) == (5, 5)


@pytest.mark.parametrize("head", [b"Connection: close\r\n", b"Keep-Alive: timeout=1\r\n"])
async def test_a_connection_the_server_will_not_keep_is_not_kept(head: bytes) -> None:
    reply = b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n"
    async with client(saying(reply)) as (asker, heard):
        await asker.ask()
        await asker.ask()
    assert heard.connections == 2


async def test_bytes_nobody_asked_for_never_answer_the_next_request() -> None:
    lie = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nlie"
    truth = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntruth"

    async def script(wire: Wire) -> None:
        await wire.say(truth + lie if wire.connection == 0 else truth)

    async with client(script) as (asker, heard):
        assert [await asker.ask(), await asker.ask()] == [(200, b"truth")] * 2
    assert heard.connections == 2


async def test_a_redirect_is_handed_over_and_never_followed() -> None:
    async def script(wire: Wire) -> None:
        await wire.say(
            b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        )

    async with client(script) as (asker, heard):
        assert await asker.ask() == (307, b"")
    assert len(heard.requests) == 1


async def test_a_cookie_is_never_sent_back() -> None:
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=secret\r\nContent-Length: 0\r\n\r\n"
    async with client(saying(reply)) as (asker, heard):
        await asker.ask()
        await asker.ask()
    assert "secret" not in "".join(request.head for request in heard.requests)


async def test_cancelling_closes_the_connection_at_once() -> None:
    async with client(saying()) as (asker, heard):
        call = asyncio.ensure_future(asker.ask())
        while not heard.requests:
            await asyncio.sleep(0)
        call.cancel()
        await heard.ended.wait()
    assert call.cancelled()


async def test_sixteen_at_once_have_a_connection_each_and_leave_them_for_the_next() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    async with client(saying(reply)) as (asker, heard):
        for _ in range(3):
            await asyncio.gather(*(asker.ask() for _ in range(16)))
    assert heard.connections == 16


async def test_no_connection_means_nothing_was_sent() -> None:
    async with raw_server(saying()) as (url, _):
        pass
    with pytest.raises(NotSent):
        await Client(url).ask()


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://h/mcp", "h", "/mcp"),
        ("https://h:8443", "h:8443", "/"),
        ("http://[::1]:80/a?b=c", "[::1]:80", "/a?b=c"),
    ],
)
def test_a_url_becomes_host_and_target(url: str, authority: str, target: str) -> None:
    assert (address(url).authority, address(url).target) == (authority, target)


async def test_an_end_the_loop_has_not_seen_yet_is_seen_before_a_connection_is_used_again() -> None:
    ours, theirs = socket.socketpair()
    idle: list[Connection] = []
    now = asyncio.get_running_loop().time()

    def on_idle(connection: Connection, seconds: float) -> None:
        connection.idle_until = now + seconds
        idle.append(connection)

    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(on_idle, KnownHeads(), Vigil()), sock=ours
    )
    patience = Patience(5, 5, now + 5)
    waiting = connection.send(b"GET / HTTP/1.1\r\n\r\n", patience, now)
    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await waiting
    assert idle == [connection]
    theirs.close()  # and no turn of the loop in between
    with pytest.raises(NotSent):
        connection.send(b"", patience, now)
    connection.abort()
