"""What `subscriptions/listen` asks for and acknowledges, as watches. Pure.

Source: MCP 2026-07-28 patterns/subscriptions, and the tasks extension for `taskIds`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from gateway.core.model import JsonObject, RpcError
from gateway.ports import Watch
from gateway.wire.methods import LIST_CHANGED, SUBSCRIPTION_ID, UPDATED
from gateway.wire.servers.envelope import INTERNAL_ERROR, number

MEMBERS: Final = {UPDATED: "uri", "notifications/tasks": "taskId"}
"""News of one watch -> the params member that names it."""


def wanted_by(watches: Iterable[Watch]) -> JsonObject:
    """The `notifications` member of a listen for all of these."""
    ordered = sorted(watches)
    wanted: JsonObject = {}
    for kind, member in (("resource", "resourceSubscriptions"), ("task", "taskIds")):
        names = [name for each, name in ordered if each == kind]
        if names:
            wanted[member] = names
    return wanted


def lists_told(capabilities: Any) -> JsonObject:
    """The `notifications` member of a listen for every list whose changes a server says it tells of."""
    if not isinstance(capabilities, dict):
        return {}
    return {
        member: True
        for capability, member in LIST_CHANGED.items()
        if isinstance(offer := capabilities.get(capability), dict)
        and offer.get("listChanged") is True
    }


def listen_of(params: JsonObject) -> int:
    """The id of the listen a message belongs to; 0 if it names none of ours."""
    meta = params.get("_meta")
    return number(meta.get(SUBSCRIPTION_ID) if isinstance(meta, dict) else None) or 0


def without_listen(params: JsonObject) -> JsonObject:
    """News as agents have it: which listen of the gateway's it came by is not theirs."""
    meta = params.get("_meta")
    if not isinstance(meta, dict) or SUBSCRIPTION_ID not in meta:
        return params
    rest = {name: value for name, value in meta.items() if name != SUBSCRIPTION_ID}
    told = {name: value for name, value in params.items() if name != "_meta"}
    return {**told, "_meta": rest} if rest else told


def honoured_by(acknowledged: JsonObject) -> frozenset[Watch]:
    """What a server says it will tell of."""
    given = acknowledged.get("notifications")
    notifications: JsonObject = given if isinstance(given, dict) else {}
    resources = _names(notifications.get("resourceSubscriptions"))
    tasks = _names(notifications.get("taskIds"))
    return frozenset(
        {("resource", name) for name in resources} | {("task", name) for name in tasks}
    )


def not_told(why: str) -> RpcError:
    """The tool server does not tell of this."""
    return RpcError(INTERNAL_ERROR, f"Not subscribed: {why}")


def _names(value: Any) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()
