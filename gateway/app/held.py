"""Wires what sends held calls: a loop beside a gateway that serves. No rule lives here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from gateway.app.clock import microseconds
from gateway.app.meanwhile import meanwhile
from gateway.core.model import Answer
from gateway.journals.sqlite import SqliteReader
from gateway.line.holding import Waiting
from gateway.nobody import NOBODY
from gateway.pep import Line
from gateway.ports import Protector
from gateway.undo.held import Waitings
from gateway.undo.outbox import Outbox


@asynccontextmanager
async def held_calls_sent(journal: Path, protector: Protector, line: Line) -> AsyncIterator[None]:
    """While this is entered, held calls go out when their time has come. Raises `Misconfigured`."""

    async def send(waiting: Waiting) -> Answer:
        return await line.send(waiting, NOBODY)

    with closing(SqliteReader(journal)) as reader:
        async with meanwhile(Outbox(Waitings(reader, protector), send, microseconds).keep()):
            yield
