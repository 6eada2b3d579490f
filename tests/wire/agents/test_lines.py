"""The wire of `bulkhead stdio`, over real pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os

import anyio

from gateway.wire.agents.lines import Descriptors


async def test_a_line_whose_writer_is_cancelled_is_not_mixed_with_the_next() -> None:
    """A host that does not read for a while, and cancels the request it is being told of."""
    source, end = os.pipe()
    host, sink = os.pipe()
    wire = Descriptors(source, sink)
    first, second = b"a" * 200_000 + b"\n", b"b" * 200_000 + b"\n"
    with anyio.fail_after(20):
        telling = asyncio.create_task(wire.write(first))
        begun = await asyncio.to_thread(os.read, host, 1)
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
        answering = asyncio.create_task(wire.write(second))
        told = begun + await asyncio.to_thread(read_to, host, len(first + second) - 1)
        await answering
        os.close(end)
        await wire.read()
    for each in (source, host, sink):
        os.close(each)
    assert told == first + second


def read_to(descriptor: int, size: int) -> bytes:
    found = b""
    while len(found) < size:
        found += os.read(descriptor, 1_024)
    return found
