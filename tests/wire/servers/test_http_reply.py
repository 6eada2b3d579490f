"""What is there of a reply can be had at once, and its connection then reads on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from gateway.wire.servers.http_broken import Broken
from gateway.wire.servers.http_heads import head_of
from gateway.wire.servers.http_reply import EARLY, HIGH_WATER, Reply


class Wire:
    """A connection that remembers how often it was told to read on."""

    resumed = 0
    aborted = False

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken

    def abort(self) -> None:
        assert self._broken, "nothing is wrong with it"
        self.aborted = True

    def resume(self) -> None:
        self.resumed += 1

    def expect(self, due: float) -> None:
        """Nothing is late here."""


def reply_on(wire: Wire) -> Reply:
    return Reply(head_of(200, ()), deque(), False, None, wire)


class Loud:
    """Sees every piece, and says it louder. What is odd may not be."""

    behind = False
    ended = False

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def feed(self, piece: bytes) -> bytes:
        if piece == b"odd":
            raise ValueError("what is odd")
        self.seen.append(piece)
        return piece.upper().strip()


class Out:
    """Takes what it is handed, while it has room."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.room = True

    def __call__(self, pieces: Sequence[bytes]) -> bool:
        if self.room:
            self.taken += pieces
        return self.room


async def test_all_that_is_there_comes_together_and_makes_room() -> None:
    wire = Wire()
    reply = reply_on(wire)
    assert reply.arrived(b"a" * EARLY)
    assert not reply.arrived(b"b")
    assert [*await reply.pieces()] == [b"a" * EARLY, b"b"]
    assert wire.resumed and reply.arrived(b"c" * HIGH_WATER)
    assert not reply.arrived(b"d")
    reply.finish()


async def test_who_looks_at_each_piece_sees_it_as_it_comes_and_more_of_them_may_wait() -> None:
    reply, each = reply_on(Wire()), Loud()
    reply.arrived(b"there")
    reply.arrived(b" ")
    assert [*await reply.pieces(each)] == [b"THERE"]
    assert reply.arrived(b"c" * HIGH_WATER)
    assert not reply.arrived(b"d")
    assert each.seen[2:] == [b"c" * HIGH_WATER, b"d"]
    assert [*await reply.pieces(each)] == [b"C" * HIGH_WATER, b"D"]
    coming = asyncio.ensure_future(reply.pieces(each))
    await asyncio.sleep(0)
    reply.arrived(b" ")
    await asyncio.sleep(0)
    assert not coming.done()
    reply.finish()
    assert await coming == ()


async def test_a_piece_that_is_refused_ends_the_reply_and_takes_what_came_with_it_along() -> None:
    wire, out = Wire(broken=True), Out()
    reply = reply_on(wire)
    coming = asyncio.ensure_future(reply.pieces(Loud(), out))
    await asyncio.sleep(0)
    for piece in (b"good", b"odd", b"good"):
        reply.arrived(piece)
    reply.finish()
    assert wire.aborted
    with pytest.raises(Broken, match="what is odd"):
        await coming
    assert out.taken == []


class Slow:
    """Takes three bytes at one go."""

    ended = False

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        taken, self._rest = (self._rest + piece)[:3], (self._rest + piece)[3:]
        if b"odd" in taken:
            raise ValueError("what is odd")
        return taken

    @property
    def behind(self) -> bool:
        return bool(self._rest)


async def test_what_takes_long_to_look_at_is_looked_at_bit_by_bit_and_others_come_in_between() -> (
    None
):
    wire, slow, heard = Wire(), Slow(), list[bytes]()
    reply = reply_on(wire)
    reply.arrived(b"abcdefgh")

    async def other() -> None:
        for piece in (b"ij", b"klmno"):
            await asyncio.sleep(0)
            heard.append(b"-")
            reply.arrived(piece)
        reply.finish()

    async with asyncio.timeout(5):
        task = asyncio.create_task(other())
        while pieces := await reply.pieces(slow):
            heard += pieces
        await task
    assert b"".join(each for each in heard if each != b"-") == b"abcdefghijklmno"
    assert b"-" in heard[:4] and max(map(len, heard)) == 3


async def test_what_is_odd_in_what_was_left_for_later_ends_the_reply_too() -> None:
    wire, slow = Wire(broken=True), Slow()
    reply = reply_on(wire)
    reply.arrived(b"abcodd")
    async with asyncio.timeout(5):
        assert [*await reply.pieces(slow)] == [b"abc"]
        reply.arrived(b"more")
        with pytest.raises(Broken, match="what is odd"):
            await reply.pieces(slow)
    assert wire.aborted


async def test_what_waits_to_be_looked_at_counts_as_what_waits_unread() -> None:
    reply, slow = reply_on(Wire()), Slow()
    reply.arrived(b"abcdef")
    assert [*await reply.pieces(slow)] == [b"abc"]
    assert not reply.arrived(b"x" * (HIGH_WATER + 1))
    reply.finish()


async def test_what_is_not_there_is_waited_for_and_the_end_is_told_once_all_is_read() -> None:
    reply = reply_on(Wire())
    coming = asyncio.ensure_future(reply.pieces())
    await asyncio.sleep(0)
    assert not coming.done()
    reply.arrived(b"a")
    async with asyncio.timeout(20):
        assert [*await coming] == [b"a"]
        reply.arrived(b"b")
        reply.finish()
        assert [*await reply.pieces()] == [b"b"]
        assert [*await reply.pieces()] == []


async def waiting(reply: Reply, out: Out) -> asyncio.Task[Sequence[bytes]]:
    """Somebody who waits for what comes, and has no use for it while it goes out."""
    reader = asyncio.ensure_future(reply.pieces(Loud(), out))
    await asyncio.sleep(0)
    return reader


async def test_what_comes_while_it_is_waited_for_goes_out_together_and_wakes_nobody() -> None:
    wire, out = Wire(), Out()
    reply = reply_on(wire)
    reader = await waiting(reply, out)
    for turn in (1, 2):
        assert reply.arrived(b"a" * HIGH_WATER)
        assert not reply.arrived(b"b")
        await asyncio.sleep(0)
        assert out.taken == turn * [b"A" * HIGH_WATER, b"B"]
        assert wire.resumed == turn and not reader.done()
    reply.finish()
    async with asyncio.timeout(20):
        assert await reader == ()


async def test_what_has_no_room_is_for_who_waits_and_nothing_is_lost_or_comes_twice() -> None:
    out = Out()
    reply = reply_on(Wire())
    reader = await waiting(reply, out)
    reply.arrived(b"a")
    await asyncio.sleep(0)
    out.room = False
    reply.arrived(b"b")
    reply.arrived(b"c")
    async with asyncio.timeout(20):
        assert await reader == (b"B", b"C")
    out.room = True
    reply.arrived(b"d")
    await asyncio.sleep(0)
    assert out.taken == [b"A"], "nobody waits"
    assert await reply.pieces(Loud(), out) == (b"D",)
    reply.finish()


async def test_what_came_with_the_end_is_for_who_waits() -> None:
    out = Out()
    reply = reply_on(Wire())
    reader = await waiting(reply, out)
    reply.arrived(b"a")
    reply.finish()
    async with asyncio.timeout(20):
        assert await reader == (b"A",)
    assert out.taken == []


async def test_nothing_goes_out_for_who_waits_no_more() -> None:
    wire, out = Wire(broken=True), Out()
    reply = reply_on(wire)
    reader = await waiting(reply, out)
    reply.arrived(b"a")
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled() and out.taken == []
    reply.close()


async def test_who_waits_hears_of_what_went_wrong_on_the_way_out() -> None:
    def into(pieces: Sequence[bytes]) -> bool:
        raise RuntimeError("no such way")

    reply = reply_on(Wire())
    reader = asyncio.ensure_future(reply.pieces(into=into))
    await asyncio.sleep(0)
    reply.arrived(b"a")
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="no such way"):
            await reader
    reply.finish()


async def test_what_is_not_looked_at_yet_does_not_go_out() -> None:
    slow, out = Slow(), Out()
    reply = reply_on(Wire())
    reader = asyncio.ensure_future(reply.pieces(slow, out))
    await asyncio.sleep(0)
    reply.arrived(b"abcdefg")
    reply.arrived(b"hi")
    async with asyncio.timeout(5):
        assert await reader == (b"abc",)
        assert await reply.pieces(slow, out) == (b"def",)
        assert await reply.pieces(slow, out) == (b"g", b"hi")
    assert out.taken == []
    reply.finish()


async def test_who_waits_for_something_else_afterwards_gets_what_comes_then() -> None:
    out = Out()
    reply = reply_on(Wire())
    reader = await waiting(reply, out)
    out.room = False
    reply.arrived(b"a")
    async with asyncio.timeout(20):
        assert await reader == (b"A",)
        out.room = True
        reading = asyncio.ensure_future(reply.read())
        await asyncio.sleep(0)
        reply.arrived(b"b")
        assert await reading == b"B"
    assert out.taken == []
    reply.finish()


class Until(Loud):
    """Wants no more after a full stop."""

    ended = False

    def feed(self, piece: bytes) -> bytes:
        self.ended = self.ended or piece == b"."
        return b"" if self.ended else super().feed(piece)


@pytest.mark.parametrize("into", [None, Out()])
async def test_who_wants_no_more_is_at_the_end_though_the_reply_is_not(into: Out | None) -> None:
    reply, until = reply_on(Wire()), Until()
    reader = asyncio.ensure_future(reply.pieces(until, into))
    await asyncio.sleep(0)
    reply.arrived(b".")
    reply.arrived(b"behind it")
    async with asyncio.timeout(20):
        assert await reader == ()
        reply.lost(None, ends_it=False)
        assert await reply.pieces(until, into) == ()
    assert until.seen == []
