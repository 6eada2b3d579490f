"""What a stdio server says unasked only to who wants to hear it: changed lists in one era, log messages in the other.

A log level is the process's, so it only ever widens; what is below an agent's own level is kept from it by its
channel. What is said is heard by the conversation. Spec: 2026-07-28 patterns/subscriptions, 2025-11-25
server/utilities/logging.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.core.model import Era
from gateway.ports import Outbound
from gateway.wire.loglevels import widest
from gateway.wire.methods import LISTEN
from gateway.wire.servers import envelope
from gateway.wire.servers.stdio_conversation import Conversation, Gone
from gateway.wire.servers.stdio_greeting import FOREVER, Greeting
from gateway.wire.servers.watching import lists_told


async def hear_lists(conversation: Conversation, greeting: Greeting) -> None:
    """A server that will not tell is not asked again before its next start; the catalogue then hears of changes when
    it reads."""
    wanted = lists_told(greeting.capabilities)
    if greeting.era is not Era.STATELESS or not wanted:
        return
    message = Outbound(LISTEN, {"notifications": wanted}, envelope.GATEWAY, "")
    with suppress(TimeoutError, Gone):
        await conversation.ask(lambda id: envelope.request(message, id, Era.STATELESS), FOREVER)


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
