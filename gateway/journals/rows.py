"""Statements over many rows at once, in few shapes: a handful of prepared ones serves every batch.

A Python thread gives up and asks back the interpreter at every step of a statement: fewer steps, less
waiting behind a busy event loop. It knows no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

MOST: Final = 256
_SIZES: Final = frozenset(1 << power for power in range(MOST.bit_length()))
NONE: Final = ""
"""In place of a None, which the driver binds by asking around for who could adapt it; so it does with
bytes, and not with a bytearray."""


class Many:
    """A statement over any number of rows: `row` so many times, between the two."""

    def __init__(self, before: str, row: str, after: str = "") -> None:
        self._width = row.count("?")
        self._texts = {count: statement(before, row, count, after) for count in _SIZES}

    def over(self, values: Sequence[Any]) -> Iterable[tuple[str, Sequence[Any]]]:
        """In runs of 256, 128, ... 1 rows: its text, and of `values`, those of all rows, the next."""
        text = self._texts.get(len(values) // self._width)
        return self._runs(values) if text is None else ((text, values),)

    def _runs(self, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        start, left = 0, len(values) // self._width
        while left:
            size = min(MOST, 1 << left.bit_length() - 1)
            yield (
                self._texts[size],
                values[start * self._width : (start + size) * self._width],
            )
            start, left = start + size, left - size


def flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of all rows, one after the other."""
    return [*chain.from_iterable(rows)]


@cache
def statement(before: str, row: str, count: int, after: str = "") -> str:
    """`row` so many times, between the two."""
    return before + ", ".join([row] * count) + after
