"""Words of MCP methods that both sides of the gateway say, and the SDK's tables lack. Pure.

Source: MCP 2026-07-28 patterns/subscriptions, and the tasks extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.sdk import inbound

LISTEN: Final = "subscriptions/listen"
SUBSCRIBE: Final = "resources/subscribe"
UNSUBSCRIBE: Final = "resources/unsubscribe"
LIST_CHANGED: Final[Mapping[str, str]] = {
    "tools": "toolsListChanged",
    "prompts": "promptsListChanged",
    "resources": "resourcesListChanged",
}
"""Capability -> the member of a listen that asks for its list changes."""
LIST_CHANGES: Final = frozenset(f"notifications/{kind}/list_changed" for kind in LIST_CHANGED)
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
UPDATED: Final = "notifications/resources/updated"
NEWS: Final = frozenset({ACKNOWLEDGED, UPDATED, "notifications/tasks"})
"""What a server says of what it is listened to for: it names no call."""
LISTENED_FOR: Final = LIST_CHANGES | NEWS
"""Has a way of its own to those who listen for it, each time decided anew: it is no part of a call, whatever stream it
comes on."""
ELSEWHERE: Final = LISTENED_FOR | {"notifications/progress", "notifications/cancelled"}
"""The last two mean nothing once their call is over."""
NAMED: Final[Mapping[str, str]] = {
    **inbound.NAME_BEARING_METHODS,
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Method -> the params member that `Mcp-Name` repeats."""
ROOTS_CHANGED: Final = "notifications/roots/list_changed"


def outlives_its_call(method: str) -> bool:
    """Whether a notification is still for its agent when the call is over, as log messages are, the status of a task, a
    vendor's."""
    return method not in ELSEWHERE
