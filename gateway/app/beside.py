"""What runs beside a gateway that serves, in its process and off every call's way: the Merkle log, telemetry,
and the end of payloads whose time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.evidence import sequenced
from gateway.app.gateway import Gateway
from gateway.app.retention import keep_retention
from gateway.app.telemetry import told


@asynccontextmanager
async def beside(gateway: Gateway) -> AsyncIterator[None]:
    """Running while this is entered. Raises `Misconfigured`."""
    async with told(gateway), sequenced(gateway.settings):
        keeping = asyncio.create_task(keep_retention(gateway.settings))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
