"""How long one exchange with a tool server may take, whatever the wire. Pure: the clock is passed."""

from __future__ import annotations

from typing import Final

from gateway.values import Value

ROOTS_SECONDS: Final = 0.2
"""In which a server asks for roots that changed, and again in which it takes the answer in."""


class Patience(Value):
    """Seconds; `deadline` is absolute, by the loop's clock."""

    first_byte: float
    idle: float
    deadline: float

    def due(self, since: float, begun: bool) -> float:
        """When silence since then is too long, before an answer has `begun` or after; or all of it is."""
        due = since + (self.idle if begun else self.first_byte)
        return due if due < self.deadline else self.deadline

    def late(self, now: float, since: float, begun: bool) -> str:
        """What was passed of it; empty if nothing was."""
        if now < self.due(since, begun):
            return ""
        if now >= self.deadline:
            return "no answer within limits.total"
        limit, seconds = ("idle", self.idle) if begun else ("first_byte", self.first_byte)
        return f"silent for {seconds:g} s, limits.{limit}"
