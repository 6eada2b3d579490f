"""What is there of a reply can be had at once, and its connection then reads on."""

from __future__ import annotations

import asyncio

from gateway.wire.servers.http_heads import head_of
from gateway.wire.servers.http_reply import HIGH_WATER, Reply
from gateway.wire.servers.patience import Patience
from gateway.wire.servers.vigil import Vigil


class Wire:
    """A connection that remembers how often it was told to read on."""

    resumed = 0

    def abort(self) -> None:
        raise AssertionError("nothing is wrong with it")

    def resume(self) -> None:
        self.resumed += 1


def reply_on(wire: Wire) -> Reply:
    loop = asyncio.get_running_loop()
    now = loop.time()
    return Reply(wire, Patience(60, 60, now + 60), Vigil(), loop, now, head_of(200, ()))


async def test_all_that_is_there_comes_together_and_makes_room() -> None:
    wire = Wire()
    reply = reply_on(wire)
    assert reply.arrived(b"a" * HIGH_WATER)
    assert not reply.arrived(b"b")
    assert [*await reply.pieces()] == [b"a" * HIGH_WATER, b"b"]
    assert wire.resumed and reply.arrived(b"c" * HIGH_WATER)
    reply.finish()


async def test_what_is_not_there_is_waited_for_and_the_end_is_told_once_all_is_read() -> None:
    reply = reply_on(Wire())
    coming = asyncio.ensure_future(reply.pieces())
    await asyncio.sleep(0)
    assert not coming.done()
    reply.arrived(b"a")
    async with asyncio.timeout(5):
        assert [*await coming] == [b"a"]
        reply.arrived(b"b")
        reply.finish()
        assert [*await reply.pieces()] == [b"b"]
        assert [*await reply.pieces()] == []
