"""The two things all wiring needs of the machine: what time it is, and a name nobody had before."""

from __future__ import annotations

import os
import time
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


def microseconds() -> int:
    """Since the epoch."""
    return time.time_ns() // 1_000


def _fresh() -> list[str]:
    text = os.urandom(_SHARED + _OWN * _AT_ONCE).translate(_FIVE_BITS).decode()
    shared = text[:_SHARED]
    return [shared + text[at : at + _OWN] for at in range(_SHARED, len(text), _OWN)]


new_call_id: Final = Pool(_fresh).take
"""80 random bits, 16 characters a person can read out: a prefix of a few names a call.

512 in a row have the first three characters in common, so that the journal's index of names grows in a
few of its pages and not in all; the other 65 bits are each name's own."""
