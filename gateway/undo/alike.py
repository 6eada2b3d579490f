"""When two values are the same. Pure."""

from __future__ import annotations

from typing import Any


def same(a: Any, b: Any) -> bool:
    """Equal as JSON, by type first, all the way down; member order does not count."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float):
        return repr(a) == repr(b)  # 0.0 is not -0.0
    return bool(a == b)
