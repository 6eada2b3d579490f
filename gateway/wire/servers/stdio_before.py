"""What a sessions server over stdio is told before a call: that its agent's roots have changed, and which log messages
to say. Spec: 2025-11-25 client/roots.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway.core.model import ClientFacts
from gateway.ports import Channel, Outbound
from gateway.settings import ServerLimits
from gateway.wire.methods import ROOTS_CHANGED
from gateway.wire.servers import envelope
from gateway.wire.servers.patience import ROOTS_SECONDS, Patience
from gateway.wire.servers.stdio_call import LimitReached
from gateway.wire.servers.stdio_conversation import Conversation
from gateway.wire.servers.stdio_hearing import hear_logs
from gateway.wire.servers.stdio_up import Up


async def tell_before(
    up: Up, told: ClientFacts | None, message: Outbound, channel: Channel, limits: ServerLimits
) -> None:
    """`told`: the client the server was told of, if it serves only one."""
    conversation, at = up.conversation, message.client.roots_at
    if at > conversation.roots_at and told is not None and "roots" in told.capabilities:
        conversation.roots_at = at
        await _roots_changed(conversation, channel, limits)
    if message.client.log_level is not None:
        await hear_logs(conversation, up.greeting, message, limits.first_byte)


async def _roots_changed(
    conversation: Conversation, channel: Channel, limits: ServerLimits
) -> None:
    """Before the call, so that the server knows them in it: what it asks because of this is waited for."""
    deadline = asyncio.get_running_loop().time() + limits.first_byte
    with conversation.carrying(channel, Patience(ROOTS_SECONDS, ROOTS_SECONDS, deadline)) as call:
        conversation.say(envelope.notification(ROOTS_CHANGED))
        with suppress(LimitReached):  # the end of this silence
            await call.outcome()
