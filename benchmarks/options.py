"""What a benchmark may be told on its command line."""

from __future__ import annotations

import argparse
from typing import Any


def options(about: str | None, **usual: Any) -> argparse.Namespace:
    """What was typed of these, each of the kind of what is usual: False is a flag, a list takes several."""
    parser = argparse.ArgumentParser(description=about)
    for name, value in usual.items():
        how: dict[str, Any] = {"type": type(value), "default": value}
        if value is False:
            how = {"action": "store_true"}
        elif isinstance(value, list):
            how |= {"type": type(value[0]) if value else str, "nargs": "+"}
        parser.add_argument(f"--{name}", **how)
    return parser.parse_args()
