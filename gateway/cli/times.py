"""Times as people read and write them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import click

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Seconds(click.ParamType[int]):
    """`90`, `90s`, `15m` or `1h`, as whole seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([0-9]{1,6})([smh]?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a duration like 90s, 15m or 1h", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


def when(at: int) -> str:
    """Local date and time, to the millisecond."""
    try:
        return datetime.fromtimestamp(at / 1_000_000).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return str(at)
