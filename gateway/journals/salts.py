"""Random bytes for what a line commits to."""

from __future__ import annotations

import os
from struct import Struct
from typing import Final

from gateway.handed import Pool

SALT_BYTES: Final = 32
_CUT: Final = Struct(f"{SALT_BYTES}s" * 128)
"""So many at once."""


def _some() -> tuple[bytes, ...]:
    return _CUT.unpack(os.urandom(_CUT.size))


fresh: Final = Pool(_some).take
"""32 bytes nobody can guess. Safe in any thread."""
