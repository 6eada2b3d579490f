"""Which log messages a sessions server over stdio is asked to say: `logging/setLevel`, as far as anyone wants to hear.

The level is the process's, so it only ever widens; what is below an agent's own level is kept from it
by its channel. Spec: 2025-11-25 server/utilities/logging.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.core.model import Era
from gateway.ports import Outbound
from gateway.wire.loglevels import widest
from gateway.wire.servers import envelope
from gateway.wire.servers.stdio_conversation import Conversation, Gone
from gateway.wire.servers.stdio_greeting import Greeting


async def hear_logs(
    conversation: Conversation, greeting: Greeting, message: Outbound, seconds: float
) -> None:
    """Have the server say what the agent of this call asked to hear, if it does not yet."""
    level = widest(conversation.log_level, message.client.log_level)
    if level is None or level == conversation.log_level:
        return
    if greeting.era is not Era.SESSIONS or "logging" not in greeting.capabilities:
        return
    conversation.log_level = level
    asked = Outbound("logging/setLevel", {"level": level}, envelope.GATEWAY, principal="")
    with suppress(TimeoutError, Gone):  # the call itself will tell
        await conversation.ask(lambda id: envelope.request(asked, id, Era.SESSIONS), seconds)
