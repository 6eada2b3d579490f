"""A stdio server's process that has been greeted, and what the gateway asks it for an agent."""

from __future__ import annotations

from gateway.core.model import RpcError
from gateway.ports import Channel, Outbound
from gateway.values import Value
from gateway.wire.servers import envelope
from gateway.wire.servers.running import Running
from gateway.wire.servers.stdio_conversation import Conversation
from gateway.wire.servers.stdio_greeting import Greeting
from gateway.wire.servers.watching import not_told


class Up(Value):
    """What there is to talk to."""

    process: Running
    conversation: Conversation
    greeting: Greeting


async def ask(up: Up, method: str, uri: str, channel: Channel) -> RpcError | None:
    """Ask in the gateway's own name; the server's error. It may ask the agent of the channel something meanwhile."""
    message = Outbound(method, {"uri": uri}, envelope.GATEWAY, principal="")
    outcome = await up.conversation.call("", message, up.greeting.era, channel)
    return not_told(outcome.detail) if outcome.kind == "in_doubt" else outcome.error
