"""How much the check of a value by a schema may take: whatever is looked at is a step, and the steps are counted. Pure.

Neither a schema nor a value is trusted. What is not counted is multiplied by both: a choice among thousands, of
each of thousands of items, took an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


class TooManySteps(Exception):
    """A check took more steps than its arguments should need: the schema is built to blow up."""


@contextmanager
def limited(keywords: int) -> Iterator[None]:
    """Checks inside of this ask at most so many keywords, with a subschema for each, or raise `TooManySteps`. What one
    limit within another takes is taken from both."""
    outer = _left.get()
    most = 2 * keywords if outer is None else min(2 * keywords, outer[0])
    left = [most]
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)
        if outer is not None:
            outer[0] -= most - left[0]


def spend(steps: int) -> None:
    """Take steps from the check that is under way. Raises `TooManySteps`."""
    left = _left.get()
    if left is not None:
        left[0] -= steps
        if left[0] < 0:
            raise TooManySteps
