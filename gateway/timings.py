"""How long decisions took and lines waited for the disk: kept for a moment, for whoever tells monitoring of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from gateway.values import Value

KEPT: Final = 4_096
"""Newest ones, when nobody takes them."""


def newest() -> deque[float]:
    """Seconds. Filled in the loop, taken in any thread: a deque's ends are safe in both."""
    return deque(maxlen=KEPT)


class Timings(Value):
    """What is timed of one process."""

    decisions: deque[float]
    """Steps 3 to 8 of the Line, of calls that pass them."""
    waits: deque[float]
    """How long lines are waited for until they are durable."""


def taken(some: deque[float]) -> Iterator[float]:
    """All there are by now; they are gone then."""
    while some:
        yield some.popleft()
