"""How long the catalogue waits for what."""

from __future__ import annotations

from gateway.values import Value


class Pace(Value):
    """In seconds."""

    deadline: float = 30.0
    """For all lists of one server, and for a call that waits until they were looked at."""
    grace: float = 5.0
    """For all servers at start; slower ones join later."""
    ttl: float = 300.0
    """Between two looks at a server that says nothing."""
    retry: tuple[float, float] = (0.5, 60.0)
    """First and longest pause before a failing server is asked again."""
    settle: float = 0.2
    """Between a change and the next look, so that a burst of changes is one. Longer while they bring nothing."""
