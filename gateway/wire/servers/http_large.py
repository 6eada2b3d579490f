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
from gateway.wire.servers.proving import AS_IT_IS, Into, Prover
from gateway.wire.servers.sift import Sift

LARGE: Final = 256 * 1024
"""Bytes of a message from which on it is worth passing on in pieces."""

FRONT: Final = 1024
"""Bytes of it in which the first member of its result mostly begins. They are looked at by themselves: so the
beginning of a long text is not taken for that of many members."""

More = Callable[[Prover, Into | None], Awaitable[Sequence[bytes]]]
"""The next pieces of the message, as many as are there, each as it was proved; none at its end. What comes while it
is waited for may go on at once."""


async def proved(prover: Prover, pieces: Iterable[bytes]) -> list[bytes]:
    """Each as it was proved, all of it. Where that takes long, others have their turn meanwhile."""
    found = list[bytes]()
    for piece in pieces:
        found.append(prover.feed(piece))
        while prover.behind:
            await asyncio.sleep(0)
            found.append(prover.feed(b""))
    return found


async def carried(
    outlet: Outlet, first: bytes, more: More, limit: int, look: int
) -> JsonObject | bytes:
    """A response whose result's larger members have gone to `outlet`: the rest of it. Or what was read of
    it, when nothing has gone and it must be read whole: the first member is looked for in `look` bytes.

    Raises `Malformed`, and what `more` raises, when it breaks on the way.
    """
    sift, others = Sift(limit), bytearray()
    try:
        members: Sequence[bytes] = await proved(sift, (first[:FRONT], first[FRONT:]))
        while not sift.begun and sift.size < look and (pieces := await more(AS_IT_IS, None)):
            others += b"".join(pieces)
            members = await proved(sift, pieces)
    except Malformed:
        return first + others
    if not sift.begun or not await outlet.begin():
        return first + others
    while members:
        if any(members):
            await outlet.write(*filter(None, members))
        members = await more(sift, outlet.add)
    return sift.rest()
