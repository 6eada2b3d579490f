"""The body of a request, read whole within its bounds of bytes and time. It knows no format."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.wire.agents.checks import declared_length, too_large
from gateway.wire.agents.exchange import Exchange
from gateway.wire.agents.messages import INVALID_REQUEST, rejected

CLOSE: Final = (("connection", "close"),)


async def body_of(exchange: Exchange, max_bytes: int, seconds: float) -> bytes:
    """Every byte of it. Raises `Rejected` (408, 413), `Gone`."""
    if exchange.whole is not None:
        return exchange.whole
    declared_length(exchange.head, max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in exchange.chunks():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large(max_bytes)
    except TimeoutError:
        raise rejected(408, INVALID_REQUEST, "the body came too slowly", headers=CLOSE) from None
    return bytes(body)
