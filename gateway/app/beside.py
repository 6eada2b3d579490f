"""What runs beside a gateway that serves, in its process and off every call's way: the Merkle log, telemetry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app.evidence import sequenced
from gateway.app.gateway import Gateway
from gateway.app.telemetry import told


@asynccontextmanager
async def beside(gateway: Gateway) -> AsyncIterator[None]:
    """Running while this is entered. Raises `Misconfigured`."""
    async with told(gateway.settings, gateway.run), sequenced(gateway.settings.state_dir):
        yield
