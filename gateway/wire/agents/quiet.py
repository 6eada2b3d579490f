"""Answers that have been silent for too long, behind one timer for all of them. It knows no answer."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

LOOKS: Final = 4
"""In the time that may pass in silence."""


class Silent(Protocol):
    """Something that can show life."""

    def show_life(self) -> None:
        """It has been silent for long."""
        ...


class Quiet:
    """Those of one wire. The timer counts its looks, so that nobody asks for the time when one comes or goes."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: the least that anything of it may be silent."""
        self._every = seconds / LOOKS
        self._looked = 0
        self._due: dict[Silent, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, one: Silent, seconds: float) -> None:
        """It shows life in about so many seconds, a look earlier or later, unless it is let go before."""
        self._due[one] = self._looked + seconds / self._every + 1
        if self._timer is None:
            self._wait()

    def let_go(self, one: Silent) -> None:
        """Its answer is there."""
        self._due.pop(one, None)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._look)

    def _look(self) -> None:
        self._looked += 1
        self._timer = None
        for one in [one for one, due in self._due.items() if due <= self._looked]:
            del self._due[one]
            one.show_life()
        if self._due and self._timer is None:
            self._wait()
