"""Has a stateless stdio server tell of its changed lists. What it tells is heard by its conversation."""

from __future__ import annotations

import contextlib

from gateway.core.model import Era
from gateway.ports import Outbound
from gateway.wire.methods import LISTEN
from gateway.wire.servers import envelope
from gateway.wire.servers.stdio_conversation import Conversation, Gone
from gateway.wire.servers.stdio_greeting import FOREVER, Greeting
from gateway.wire.servers.watching import lists_told


async def listen(conversation: Conversation, greeting: Greeting) -> None:
    """A stateless server tells of changed lists only who listens. One that will not is not asked
    again before its next start; the catalogue then hears of changes when it reads."""
    wanted = lists_told(greeting.capabilities)
    if greeting.era is not Era.STATELESS or not wanted:
        return
    message = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, "")
    with contextlib.suppress(TimeoutError, Gone):
        await conversation.ask(lambda id: envelope.request(message, id, Era.STATELESS), FOREVER)
