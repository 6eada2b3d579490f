"""One request to a place outside. Its status is all that counts: what it says besides may never end."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

from gateway.evidence.anchoring import Unanchored

SECONDS: Final = 20.0


async def send(client: httpx.AsyncClient, request: httpx.Request) -> None:
    """It was taken. Raises `Unanchored`."""
    try:
        async with asyncio.timeout(SECONDS):
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except (httpx.HTTPError, TimeoutError) as error:
        raise Unanchored(type(error).__name__) from None
    if not answer.is_success:
        raise Unanchored(f"status {answer.status_code}")
