"""What an address in an operator's file may be: where something listens, and an origin others reach it at."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_ADDRESS: Final = re.compile(r"(?:[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", re.ASCII)


def _address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if found is None or int(found[1]) > 65_535:
        raise ValueError(f"{value!r} is not HOST:PORT, nor [IPv6]:PORT")
    return value


def _origin(value: str) -> str:
    """Raises `ValueError` also where it is told only by taking the parts."""
    if not (parts := urlsplit(value)).hostname or parts.port == 0:
        raise ValueError("must be an origin: https://HOST, or https://HOST:PORT")
    return value


Address = Annotated[str, AfterValidator(_address)]
Origin = Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+/?$"), AfterValidator(_origin)]
