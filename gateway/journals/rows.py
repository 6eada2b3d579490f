"""Statements over many rows at once, in few shapes: a handful of prepared ones serves every batch.

A Python thread gives up and asks back the interpreter at every step of a statement: fewer steps, less
waiting behind a busy event loop. It knows no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, TypeVar

MOST: Final = 256
_SIZES: Final = frozenset(1 << power for power in range(MOST.bit_length()))
NONE: Final = ""
"""In place of a None, which the driver binds by asking around for who could adapt it; so it does with
bytes, and not with a bytearray."""
T = TypeVar("T")


def chunks(rows: Sequence[T], width: int = 1) -> Iterable[Sequence[T]]:
    """Runs of 256, 128, ... 1 rows of so many members each."""
    return (rows,) if len(rows) // width in _SIZES else _runs(rows, width)


def _runs(rows: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    start, left = 0, len(rows) // width
    while left:
        size = min(MOST, 1 << left.bit_length() - 1)
        yield rows[start * width : (start + size) * width]
        start, left = start + size, left - size


def flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of all rows, one after the other."""
    return [*chain.from_iterable(rows)]


@cache
def statement(before: str, row: str, count: int, after: str = "") -> str:
    """`row` so many times, between the two."""
    return before + ", ".join([row] * count) + after
