"""What runs beside a gateway that serves, in its process and off every call's way: the Merkle log, telemetry,
the end of payloads and of tasks whose time is over.

What an operator can have wrong in it stops the start. What only it needs is loaded once the gateway is up,
in a thread, and not later: by then its files may be another version's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from gateway.app.gateway import Gateway
from gateway.app.meanwhile import meanwhile
from gateway.settings import Settings

if TYPE_CHECKING:  # loaded where it is configured
    from gateway.evidence.anchoring import Anchor

log = logging.getLogger("bulkhead")


@asynccontextmanager
async def beside(gateway: Gateway, *, deadlines: Path | None = None) -> AsyncIterator[None]:
    """Running while this is entered. With `deadlines`, the settings file, tasks are undone when their time is over.

    Raises `Misconfigured`."""
    anchors = _anchors(gateway.settings)
    async with _told(gateway), meanwhile(_keep(gateway, anchors, deadlines)):
        yield


def _anchors(settings: Settings) -> Sequence[Anchor]:
    if not settings.evidence.anchors:
        return ()
    from gateway.app.anchors import open_anchors

    return open_anchors(settings)


def _told(gateway: Gateway) -> AbstractAsyncContextManager[None]:
    wanted = gateway.settings.telemetry
    if wanted is None:
        return nullcontext()
    from gateway.app.telemetry import told

    return told(gateway, wanted)


async def _keep(gateway: Gateway, anchors: Sequence[Anchor], deadlines: Path | None) -> None:
    await gateway.up.wait()
    try:
        await asyncio.to_thread(_load)
    except Exception:
        log.exception("nothing runs beside the gateway: no evidence, no retention, no deadline")
        return
    from gateway.app.evidence import sequenced
    from gateway.app.retention import keep_retention
    from gateway.app.undo import keep_deadlines
    from gateway.wire.servers.orphans import heard_out

    settings = gateway.settings
    kept = [heard_out(), keep_retention(settings)]
    kept += [keep_deadlines(settings, deadlines)] if deadlines else []
    async with sequenced(settings, anchors), meanwhile(*kept):
        await anyio.sleep_forever()


def _load() -> None:
    from gateway.app import evidence, retention, undo  # noqa: F401
    from gateway.wire import json_runs
    from gateway.wire.servers import orphans  # noqa: F401

    json_runs.get_ready()
