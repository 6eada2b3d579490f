"""What is made once of an object that comes again: found by which object it is, and not by what it says.

For objects that are never changed. Bounded: past its measure all is forgotten, and made again when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Made(Generic[T, R]):
    """One kind of it. Raises as `make`, and then keeps nothing."""

    def __init__(self, make: Callable[[T], R], most: int) -> None:
        self._make = make
        self._most = most
        self._known: dict[int, tuple[T, R]] = {}
        """By the id of an object, which is kept alive: so no other one can have its id."""

    def of(self, it: T) -> R:
        """What was made of this very object."""
        try:
            return self._known[id(it)][1]
        except KeyError:
            pass
        made = self._make(it)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[id(it)] = it, made
        return made

    def forget(self, it: T) -> None:
        """It will not be asked for again."""
        self._known.pop(id(it), None)
