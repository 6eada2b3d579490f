"""Naming one argument: its bare name, or a JSON pointer (RFC 6901) for one deeper down. Pure text and look-up."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.core.model import JsonObject

MISSING: Final = object()
"""What `look_up` gives for an argument that is not there: not the same as null."""

_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def steps(text: str) -> tuple[str, ...]:
    """`name` or `/a/b` as steps. Raises `ValueError` if it is neither."""
    if not text:
        raise ValueError("an empty argument name")
    if not text.startswith("/"):
        return (text,)
    if _BAD_ESCAPE.search(text):
        raise ValueError(f"{text!r}: in a JSON pointer ~ is written ~0 and / is written ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def pointer(text: str) -> str:
    """The same as a JSON pointer."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in steps(text))


def look_up(arguments: JsonObject, text: str) -> Any:
    """The value there, or `MISSING`: also where another member differs from it by case only.

    Which of the two a server takes depends on its library.
    """
    value: Any = arguments
    for part in steps(text):
        if isinstance(value, dict) and part in value and not _has_twin(value, part):
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def _has_twin(members: JsonObject, name: str) -> bool:
    folded = name.casefold()
    return len(members) > 1 and any(
        other != name and other.casefold() == folded for other in members
    )
