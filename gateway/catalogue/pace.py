"""How long the catalogue waits for what."""

from __future__ import annotations


class Pace:
    """In seconds."""

    def __init__(
        self,
        *,
        deadline: float = 30.0,
        grace: float = 5.0,
        ttl: float = 300.0,
        retry: tuple[float, float] = (0.5, 60.0),
        settle: float = 0.2,
    ) -> None:
        self.deadline = deadline
        """For all lists of one server, and for a call that waits until they were looked at."""
        self.grace = grace
        """For all servers at start; slower ones join later."""
        self.ttl = ttl
        """Between two looks at a server that says nothing."""
        self.retry = retry
        """First and longest pause before a failing server is asked again."""
        self.settle = settle
        """Between a change and the next look, so that a burst of changes is one."""
