"""Random things made many at once and handed out one by one, each once: also by a process that was forked.

The kernel is asked seldom: each time is a system call, and gives the interpreter away. Safe in any thread.
It does not know what is random about them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """One kind of them."""

    def __init__(self, make: Callable[[], Iterable[T]]) -> None:
        """`make`: some new ones."""
        self._make = make
        self._ready: list[T] = []
        # What a forked process inherits, its parent hands out, too.
        os.register_at_fork(after_in_child=self._ready.clear)

    def take(self) -> T:
        """One that nobody was given before."""
        while True:
            try:
                return self._ready.pop()
            except IndexError:
                self._ready.extend(self._make())
