"""The values of a SQLite row as JSON that everybody reads the same, and back: bytes, large numbers, odd text."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

_EXACT: Final = 2**53


class Raw(bytes):
    """Text that is no UTF-8, as older programs leave it."""


_SPELT: Final[Mapping[str, Callable[[str], Any]]] = {
    "bytes": base64.b64decode,
    "text": lambda spelt: Raw(base64.b64decode(spelt)),
    "integer": int,
    "real": float,
}


def text(data: bytes) -> str | Raw:
    """For `sqlite3.Connection.text_factory`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Raw(data)


def mark(value: Any) -> str:
    """What stands in SQL for a value that is bound."""
    return "CAST(? AS TEXT)" if isinstance(value, Raw) else "?"


def record_of(value: Any) -> Any:
    """What is not the same wherever JSON is read is spelt."""
    if isinstance(value, bytes):
        kind = "text" if isinstance(value, Raw) else "bytes"
        return {kind: base64.b64encode(value).decode()}
    if isinstance(value, int) and abs(value) > _EXACT:
        return {"integer": str(value)}
    if isinstance(value, float) and (math.isinf(value) or value.is_integer()):
        return {"real": repr(value)}
    return value


def value_of(record: Any) -> Any:
    """The value, to be bound."""
    if not isinstance(record, dict):
        return record
    ((kind, spelt),) = record.items()
    return _SPELT[kind](spelt)


def values_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a row, by column."""
    return {name: value_of(each) for name, each in record.items()}
