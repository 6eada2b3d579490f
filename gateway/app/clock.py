"""The two things all wiring needs of the machine: what time it is, and a name nobody had before."""

from __future__ import annotations

import os
import time
from typing import Final

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_TENS: Final = [high + low for high in _BASE32 for low in _BASE32]
"""Ten bits as two characters (RFC 4648, in lower case)."""


def microseconds() -> int:
    """Since the epoch."""
    return time.time_ns() // 1_000


def new_call_id() -> str:
    """80 random bits, 16 characters a person can read out: a prefix of a few names a call."""
    bits = int.from_bytes(os.urandom(10))
    return "".join([_TENS[bits >> shift & 1023] for shift in range(70, -1, -10)])
