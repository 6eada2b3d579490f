"""Wakes another thread with the interpreter let go, so that it finds it free.

A lock wakes with the interpreter in hand, and so does the event loop's own way: the woken thread runs at once, waits
for the interpreter, is woken again, and waits for the lock of that. On one processor one wake is six switches of
threads then, and by a pipe two. It knows no journal.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Generic, TypeVar
from weakref import finalize

T = TypeVar("T")


class Bell:
    """Rung by one thread, waited for by another."""

    def __init__(self) -> None:
        self.ear, self._rope = os.pipe()
        """`ear`: readable while it was rung and not waited for."""
        self.close = finalize(self, _shut, self.ear, self._rope)
        """It will not be rung again. It closes itself when nobody has it any more: a loop may end before its thread."""
        self.close.atexit = False

    def ring(self) -> None:
        """Wake whoever waits, or will."""
        os.write(self._rope, b"!")

    def wait(self) -> None:
        """Until it is rung: once for each ring."""
        os.read(self.ear, 1)


def _shut(*ends: int) -> None:
    for end in ends:
        os.close(end)


class Inbox(Generic[T]):
    """What one thread is handed by others, in order. It sleeps while there is nothing."""

    def __init__(self) -> None:
        self._items = deque[T]()
        self._bell = Bell()
        self._asleep = False

    def put(self, item: T) -> None:
        """Never waits. Nobody takes it once the inbox is closed."""
        self._items.append(item)
        if self._asleep:
            self._asleep = False
            self._bell.ring()

    def get(self) -> T:
        """The next; waits for it."""
        while not self._items:
            self._asleep = True
            # Again: who has put one before this was said has rung no bell. One rung for nothing wakes for nothing.
            if not self._items:
                self._bell.wait()
            self._asleep = False
        return self._items.popleft()

    @property
    def first(self) -> T | None:
        """The next, which stays; None while there is nothing."""
        return self._items[0] if self._items else None

    def close(self) -> None:
        """By the thread that puts, once nobody takes any more: else the bell could go while it is being rung."""
        self._bell.close()
