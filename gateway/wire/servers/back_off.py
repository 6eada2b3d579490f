"""How long a tool server that died is left alone before it is started again."""

from __future__ import annotations

from gateway.values import Value


class BackOff(Value):
    """Seconds between a death and the next start: doubled each time, up to `most`."""

    first: float = 0.5
    most: float = 30.0
    forgiven_after: float = 30.0
    """A process that lived this long starts the count again."""

    def seconds(self, failures: int) -> float:
        """`failures`: deaths in a row, at least 1."""
        return min(self.most, self.first * 2.0 ** min(failures - 1, 30))
