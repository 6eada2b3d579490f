"""A stdio server's process that has been greeted, and how it is ended whatever happens meanwhile."""

from __future__ import annotations

import asyncio

from gateway.values import Value
from gateway.wire.servers.process import Process
from gateway.wire.servers.stdio_conversation import Conversation
from gateway.wire.servers.stdio_greeting import Greeting


class Up(Value):
    """What there is to talk to."""

    process: Process
    conversation: Conversation
    greeting: Greeting


async def stopped(running: Process) -> None:
    """Returns when nothing is left of it, also if the task is cancelled meanwhile."""
    stopping = asyncio.create_task(running.stop())
    try:
        await asyncio.shield(stopping)
    except asyncio.CancelledError:
        await asyncio.wait([stopping])
        raise
