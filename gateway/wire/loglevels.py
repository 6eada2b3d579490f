"""Which `notifications/message` an agent asked to hear: per session in one era, per request in the other. Pure."""

from __future__ import annotations

from typing import Final

from gateway.core.model import JsonObject
from gateway.sdk import LOG_LEVEL_META_KEY

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Syslog's (RFC 5424), from the least severe."""
MESSAGE: Final = "notifications/message"


def requested(params: JsonObject) -> str | None:
    """The level a stateless request opts in with; None: it wants no log messages."""
    meta = params.get("_meta")
    level = meta.get(LOG_LEVEL_META_KEY) if isinstance(meta, dict) else None
    return level if level in LEVELS else None


def widest(level: str | None, other: str | None) -> str | None:
    """The less severe of two levels: who listens at it hears what either asked for."""
    if level not in LEVELS or other not in LEVELS:
        return other if level not in LEVELS else level
    return min(level, other, key=LEVELS.index)


def heard(method: str, params: JsonObject, floor: str | None) -> bool:
    """Whether a notification passes a floor. Everything but log messages does, and so do unknown levels.

    None: there is nobody for log messages."""
    level = params.get("level")
    if method != MESSAGE:
        return True
    if floor is None or level not in LEVELS:
        return floor is not None
    return LEVELS.index(level) >= LEVELS.index(floor)
