"""A large answer of an HTTP tool server, passed on while it comes: never more of it is held than a few pieces.

What is small enough is read whole, as ever; so is what is no result, or nobody can take in pieces. It
knows bodies and event streams by what they yield, and no era.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.core.model import JsonObject
from gateway.ports import Outlet
from gateway.wire.json_walk import Malformed
from gateway.wire.servers.sift import Sift

LARGE: Final = 256 * 1024
"""Bytes of a message from which on it is worth passing on in pieces."""

FRONT: Final = 1024
"""Bytes of it in which the first member of its result mostly begins. They are looked at by themselves: so the
beginning of a long text is not taken for that of many members."""

Prove = Callable[[bytes], bytes]
More = Callable[[Prove], Awaitable[Sequence[bytes]]]
"""The next pieces of the message, as many as are there, each as it was proved; none at its end."""


async def carried(
    outlet: Outlet, first: bytes, more: More, limit: int, look: int
) -> JsonObject | bytes:
    """A response whose result's larger members have gone to `outlet`: the rest of it. Or what was read of
    it, when nothing has gone and it must be read whole: the first member is looked for in `look` bytes.

    Raises `Malformed`, and what `more` raises, when it breaks on the way.
    """
    sift, size, others = Sift(), 0, bytearray()

    def prove(piece: bytes) -> bytes:
        nonlocal size
        size += len(piece)
        if size > limit:
            raise Malformed("it is larger than limits.max_result")
        return sift.feed(piece)

    try:
        members: Sequence[bytes] = [prove(first[:FRONT]), prove(first[FRONT:])]
        while not sift.begun and size < look and (pieces := await more(bytes)):
            others += b"".join(pieces)
            members = [prove(piece) for piece in pieces]
    except Malformed:
        return first + others
    if not sift.begun or not await outlet.begin():
        return first + others
    while members:
        if any(members):
            await outlet.write(*filter(None, members))
        members = await more(prove)
    return sift.rest()
