"""A large answer of an HTTP tool server, passed on while it comes: never more of it is held than a few pieces.

What is small enough is read whole, as ever; so is what is no result, or nobody can take in pieces. It
knows bodies and event streams by what they yield, and no era.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
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
Behind = Callable[[], bool]
"""What was given to prove is not all proved: nothing more of it goes on."""
More = Callable[[Prove, Behind], Awaitable[Sequence[bytes]]]
"""The next pieces of the message, as many as are there, each as it was proved; none at its end."""


async def proved(prove: Prove, behind: Behind, pieces: Iterable[bytes]) -> list[bytes]:
    """Each as it was proved, all of it. Where that takes long, others have their turn meanwhile."""
    found = list[bytes]()
    for piece in pieces:
        found.append(prove(piece))
        while behind():
            await asyncio.sleep(0)
            found.append(prove(b""))
    return found


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

    def behind() -> bool:
        return sift.behind

    try:
        members: Sequence[bytes] = await proved(prove, behind, (first[:FRONT], first[FRONT:]))
        while not sift.begun and size < look and (pieces := await more(bytes, behind)):
            others += b"".join(pieces)
            members = await proved(prove, behind, pieces)
    except Malformed:
        return first + others
    if not sift.begun or not await outlet.begin():
        return first + others
    while members:
        if any(members):
            await outlet.write(*filter(None, members))
        members = await more(prove, behind)
    return sift.rest()
