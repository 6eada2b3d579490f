"""Patterns that operators and packs write, run by RE2: in linear time, so that no text makes one slow. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2


@lru_cache(maxsize=4_096)
def compiled(pattern: str) -> Any:
    """The RE2 program. Raises `ValueError` if it is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"{pattern!r} is not an RE2 pattern: {reason}") from None
