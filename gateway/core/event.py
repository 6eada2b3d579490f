"""What a transmitter of security events has said: whom to stop, and why. Pure."""

from __future__ import annotations

from gateway.values import Value


class SecurityEvent(Value):
    """One security event token (RFC 8417), verified."""

    transmitter: str
    """Its id in bulkhead.yaml."""
    id: str
    """`jti`: the same event, delivered again, has the same."""
    agents: tuple[str, ...]
    """`agent:<name>` of those who are to be stopped; nobody, where it is about something else."""
    why: str
    """The last words of the event types' names."""
    tenants: tuple[str, ...] = ()
    """Whose agents those are; none: that cannot be told, so they are stopped whosever they are."""
