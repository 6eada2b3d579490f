"""Random bytes for what a line commits to: many asked for at once, each handed out once."""

from __future__ import annotations

import os
from typing import Final

SALT_BYTES: Final = 32
_AT_ONCE: Final = 128
_ready: Final[list[bytes]] = []


def fresh() -> bytes:
    """32 bytes nobody can guess. Safe in any thread."""
    # The kernel is asked seldom: each time is a system call, and gives the interpreter away.
    while True:
        try:
            return _ready.pop()
        except IndexError:
            some = os.urandom(SALT_BYTES * _AT_ONCE)
            _ready.extend(some[at : at + SALT_BYTES] for at in range(0, len(some), SALT_BYTES))


# What a forked process inherits, its parent hands out, too.
os.register_at_fork(after_in_child=_ready.clear)
