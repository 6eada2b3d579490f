"""A stdio server's process that has been greeted."""

from __future__ import annotations

from gateway.values import Value
from gateway.wire.servers.process import Process
from gateway.wire.servers.stdio_conversation import Conversation
from gateway.wire.servers.stdio_greeting import Greeting


class Up(Value):
    """What there is to talk to."""

    process: Process
    conversation: Conversation
    greeting: Greeting
