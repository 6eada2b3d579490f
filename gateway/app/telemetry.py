"""Wires telemetry to a running gateway's journal, when bulkhead.yaml asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway import __version__
from gateway.app.clock import microseconds
from gateway.app.gateway import Gateway
from gateway.app.meanwhile import meanwhile
from gateway.journals.sqlite import SqliteReader
from gateway.settings import Telemetry
from gateway.telemetry.facts import Folder
from gateway.telemetry.follow import Follower, keep_following
from gateway.telemetry.provide import Providers, open_providers
from gateway.timings import Timings


@asynccontextmanager
async def told(gateway: Gateway, wanted: Telemetry) -> AsyncIterator[None]:
    """Monitoring is told of the calls of this process while this is entered. Raises `Misconfigured`."""
    settings = gateway.settings
    providers = open_providers(wanted, __version__, settings.where)
    reader = SqliteReader(settings.journal_file)
    follower = follower_of(providers, reader, gateway.journal.run, gateway.timings)
    try:
        async with meanwhile(keep_following(follower)):
            yield
    finally:
        await asyncio.to_thread(follower.catch_up)
        await asyncio.to_thread(providers.close)
        reader.close()


def follower_of(providers: Providers, reader: SqliteReader, run: str, timings: Timings) -> Follower:
    """What tells the providers of each new line. `run`: whose calls are told, as the journal's lines name it."""
    from gateway.telemetry.meters import Meters
    from gateway.telemetry.spans import Spans

    folder = Folder(run, reader.call)
    meters = Meters(providers.meters.get_meter("bulkhead", __version__), folder, microseconds)
    told = [meters.note]
    if providers.tracers is not None:
        told.append(Spans(providers.tracers.get_tracer("bulkhead", __version__)).note)
    return Follower(reader, folder, reader.last_seq(), told, lambda: meters.timed(timings))
