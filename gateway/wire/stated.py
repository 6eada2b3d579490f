"""What is said, without what is null: typed languages write so what they leave out. Pure."""

from __future__ import annotations

from typing import Any


def stated(value: Any) -> Any:
    """Without the members that are null, at any depth."""
    if isinstance(value, list):
        return [stated(one) for one in value]
    if isinstance(value, dict):
        return {name: stated(one) for name, one in value.items() if one is not None}
    return value
