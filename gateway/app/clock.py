"""The two things all wiring needs of the machine: what time it is, and a name nobody had before."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Final

from gateway.handed import Pool

_BASE32: Final = b"abcdefghijklmnopqrstuvwxyz234567"
_FIVE_BITS: Final = _BASE32 * 8
"""A random byte as one of 32 characters (RFC 4648, in lower case), each as likely as any other."""
_SHARED: Final = 3
_OWN: Final = 13
_AT_ONCE: Final = 512


DAY: Final = 86_400_000_000
"""Microseconds."""


SETTLING: Final = 300 * 1_000_000_000
"""Nanoseconds after its start in which a machine may still find out what time it is."""
_SLOWER: Final = 1_000
"""A clock that is being slowed down loses less than one part of so many (NTP: one of 2,000)."""
_SECOND: Final = 10**9
_TOLD: Final = 2 * _SECOND
_AGAIN: Final = 600 * _SECOND
"""Who finds that agents are refused looks at what the log said last."""
_NEVER: Final = 2**63

log = logging.getLogger("bulkhead")


class Onwards:
    """The machine's clock, but never set back: what was to be over by now is over, whoever turns the clock.

    A process keeps what it has seen. Another, and the next, go by the machine."""

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Both in nanoseconds. `steady`: nobody can set it."""
        self._wall = wall
        self._steady = steady
        self._settled = steady() + SETTLING
        self._seen = wall(), steady()
        self._right = _NEVER
        """The second in which the machine's clock was found to be as it should be."""
        self._told_at = _NEVER

    def microseconds(self) -> int:
        """Since the epoch."""
        wall = self._wall()
        if wall // _SECOND == self._right:
            return wall // 1_000
        return self._looked_at(wall, self._steady()) // 1_000

    def seconds(self) -> int:
        """Since the epoch."""
        wall = self._wall()
        if wall // _SECOND == self._right:
            return self._right
        return self._looked_at(wall, self._steady()) // _SECOND

    def _looked_at(self, wall: int, steady: int) -> int:
        seen, at = self._seen
        passed = steady - at
        least = seen + passed - passed // _SLOWER
        if wall >= least or steady < self._settled:
            self._seen, self._right, self._told_at = (wall, steady), wall // _SECOND, _NEVER
            return wall
        self._right = _NEVER
        if least - wall > _TOLD and not 0 <= steady - self._told_at < _AGAIN:
            self._told_at = steady
            log.error(
                "the machine's clock was set back by %d s, and this gateway goes on by the earlier setting, by which "
                "tokens and grants end that much earlier: if that was wrong, restart it",
                (least - wall) // _SECOND,
            )
        return least


_onwards: Final = Onwards()
microseconds: Final = _onwards.microseconds
seconds: Final = _onwards.seconds


def wall() -> int:
    """Microseconds since the epoch, as the machine has them now: for what commands wrote down by it."""
    return time.time_ns() // 1_000


def _fresh() -> list[str]:
    text = os.urandom(_SHARED + _OWN * _AT_ONCE).translate(_FIVE_BITS).decode()
    shared = text[:_SHARED]
    return [shared + text[at : at + _OWN] for at in range(_SHARED, len(text), _OWN)]


new_call_id: Final = Pool(_fresh).take
"""80 random bits, 16 characters a person can read out: a prefix of a few names a call.

512 in a row have the first three characters in common, so that the journal's index of names grows in a
few of its pages and not in all; the other 65 bits are each name's own."""
