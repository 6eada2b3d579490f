"""A reply whose head was read before is read as the parser reads it, however it is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.servers.http_broken import Broken
from gateway.wire.servers.http_connection import Connection
from gateway.wire.servers.http_heads import KEEP_IDLE, MAX_HEAD, MOST, KnownHeads
from gateway.wire.servers.http_reply import Reply
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import FOREVER, Vigil

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\ntruth"
LIE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nlie"
KNOWABLE = [
    PLAIN,
    b"HTTP/1.1 404 No\r\ncontent-length: 2\r\n\r\nno",
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=3\r\nContent-Length: 2\r\n\r\nhi",
]
READ_ANEW = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    b"HTTP/1.1 204 None\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTrailer: x\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 100 Go on\r\n\r\n" + LIE,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n b\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\rb\r\n\r\nhi",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: %b\r\n\r\nhi" % (b"x" * MAX_HEAD),
    PLAIN + LIE,
    LIE[:-1],
]


class Transport:
    """A socket that remembers whether it was closed."""

    closed = False

    def write(self, data: bytes) -> None:
        """Requests go nowhere."""

    def pause_reading(self) -> None:
        """What comes is given by the test."""

    def resume_reading(self) -> None:
        """The same."""

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> Any:
        return None


def connected(
    known: KnownHeads, transport: Transport, idle: Callable[[Connection, float], None]
) -> Connection:
    connection = Connection(idle, known, Vigil())
    connection.connection_made(transport)  # type: ignore[arg-type]
    return connection


async def asked(known: KnownHeads, pieces: list[bytes]) -> tuple[Any, ...]:
    """What is read of a reply that comes in these pieces and then no more, and whether its connection is kept."""
    transport, idle = Transport(), list[Connection]()
    connection = connected(known, transport, lambda it, _: idle.append(it))
    waiting = connection.send(b"", Patience(FOREVER, FOREVER, FOREVER), 0.0)
    for piece in pieces:
        connection.data_received(piece)
    kept = idle == [connection] and not transport.closed
    connection.connection_lost(ConnectionResetError())
    return (*await read(waiting), kept)


async def read(waiting: asyncio.Future[Reply]) -> tuple[Any, ...]:
    try:
        reply = await waiting
        head = (reply.head.status, reply.head.media, reply.header("content-length"))
        whole, body = reply.whole, await reply.body(1000)
        assert whole in (None, body)
        return (*head, body)
    except Broken:
        return ("broken",)


async def taught(replies: list[bytes]) -> KnownHeads:
    known = KnownHeads()
    for reply in replies:
        await asked(known, [reply])
    return known


@pytest.mark.parametrize("reply", KNOWABLE)
async def test_a_plain_head_is_known_the_second_time(reply: bytes) -> None:
    known = await taught([reply])
    found = known.find(reply)
    assert found is not None and found.start + found.length == len(reply)


@pytest.mark.parametrize("reply", READ_ANEW)
async def test_a_head_that_says_more_or_can_be_read_two_ways_is_never_known(reply: bytes) -> None:
    known = await taught([reply])
    assert known.find(reply) is None


@given(
    st.sampled_from(KNOWABLE + READ_ANEW),
    st.sampled_from([b"", b"x", LIE, PLAIN]),
    st.lists(st.integers(0, 200), max_size=4),
    st.integers(0, 3),
)
def test_what_is_read_behind_a_known_head_is_what_the_parser_reads(
    reply: bytes, more: bytes, cuts: list[int], missing: int
) -> None:
    whole = (reply + more)[: len(reply + more) - missing]
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges) if a < b]

    async def both() -> tuple[Any, Any]:
        known = await taught(KNOWABLE + READ_ANEW)
        return await asked(known, pieces), await asked(KnownHeads(), pieces)

    first, second = asyncio.run(both())
    assert first == second


@pytest.mark.parametrize("size", [5, 2**20])
async def test_behind_a_known_head_who_waits_is_told_when_the_body_begins(size: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    known = await taught([head + b"x" * size])
    connection = connected(known, Transport(), lambda _, __: None)
    waiting = connection.send(b"", Patience(FOREVER, FOREVER, FOREVER), 0.0)
    connection.data_received(head)
    assert not waiting.done()
    connection.data_received(b"x")
    assert waiting.done()
    connection.connection_lost(None)


async def test_a_connection_is_kept_as_long_as_a_known_head_says() -> None:
    known, said = await taught(KNOWABLE), list[float]()
    connection = connected(known, Transport(), lambda _, seconds: said.append(seconds))
    for reply in (KNOWABLE[3], PLAIN):
        connection.send(b"", Patience(FOREVER, FOREVER, FOREVER), 0.0)
        connection.data_received(reply)
    assert said == [2.0, KEEP_IDLE]


async def test_heads_without_end_are_forgotten() -> None:
    known = KnownHeads()
    replies = [
        b"HTTP/1.1 200 OK\r\nX: %d\r\nContent-Length: 0\r\n\r\n" % n for n in range(MOST + 1)
    ]
    for reply in replies:
        await asked(known, [reply])
    assert [reply for reply in replies if known.find(reply) is None] == replies[:1]


@pytest.mark.parametrize("known_before", [False, True])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("come", [b"", PLAIN[:9], PLAIN[:-5], PLAIN[:-1], PLAIN])
async def test_a_caller_who_leaves_ends_the_connection_unless_the_reply_is_whole(
    come: bytes, before: bool, known_before: bool
) -> None:
    transport = Transport()
    known = await taught([PLAIN] if known_before else [])
    connection = connected(known, transport, lambda _, __: None)
    waiting = connection.send(b"", Patience(FOREVER, FOREVER, FOREVER), 0.0)
    if before:
        waiting.cancel()
    if come:
        connection.data_received(come)
    connection.give_up(waiting)
    # The parser tells of a head before the body behind it, and then nobody waits any more.
    whole = come == PLAIN and (known_before or not before)
    assert transport.closed is not whole
