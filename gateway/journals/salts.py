"""Random bytes for what a line commits to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from gateway.handed import Pool

SALT_BYTES: Final = 32
_AT_ONCE: Final = 128


def _some() -> Iterator[bytes]:
    some = os.urandom(SALT_BYTES * _AT_ONCE)
    return (some[at : at + SALT_BYTES] for at in range(0, len(some), SALT_BYTES))


fresh: Final = Pool(_some).take
"""32 bytes nobody can guess. Safe in any thread."""
