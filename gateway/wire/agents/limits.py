"""How long and how much: the bounds of the agent-facing wire that no operator needs to set.

The ones an operator does set (body, depth, concurrency, connections, sessions) are in
`gateway.settings.RequestLimits`; `max_sessions` and `max_sessions_each` follow from its `sessions` (face.py).
"""

from __future__ import annotations

from gateway.values import Value


class Limits(Value):
    """Seconds, bytes and counts."""

    body_seconds: float = 20.0
    """From the end of the head to the end of the body."""
    write_seconds: float = 60.0
    """How long a reader may take nothing before it counts as gone."""
    idle: int = 75
    """How long a connection may be silent between two requests. Longer than what stands in front keeps one (nginx, AWS:
    60): where this side closes as the other sends, a request is lost, and a POST is not sent again."""
    keep_alive: float = 12.0
    """Between two signs of life on an open stream. The protocol encourages at most 15."""
    quiet_stateless: float = 10.0
    """How long an answer may still become plain JSON, whose HTTP status tells of an error."""
    quiet_sessions: float = 1.0
    """The same for sessions: shorter, because a stream can be resumed and the status says nothing."""
    session_idle: float = 1800.0
    max_sessions: int = 10_000
    max_sessions_each: int = 2_500
    """Of one principal: past it, its own least recently used idle session ends."""
    max_listens_each: int = 64
    """Of one principal: standing `subscriptions/listen` requests."""
    replay_session: int = 1024 * 1024
    """Bytes of events one session may keep for a reader that comes back."""
    replay_all: int = 64 * 1024 * 1024
    replay_streams: int = 64
    """Ended streams one session may keep."""
    retry_ms: int = 1000
    """What a reader that lost its stream is asked to wait before it resumes."""
    shutdown_seconds: int = 5
