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
_SAID: Final = 3
"""Binary places of a count that a size can have other than zero: most batches are one or two statements then,
and there are 28 sizes. A statement costs as much as two rows, and every step of it may wait for the interpreter."""


def _size(count: int) -> int:
    """The largest size of a statement that is not more."""
    rest = max(min(count, MOST).bit_length() - _SAID, 0)
    return min(count, MOST) >> rest << rest


_SIZES: Final = frozenset(map(_size, range(1, MOST + 1)))
NONE: Final = ""
"""In place of a None, which the driver binds by asking around for who could adapt it; so it does with
bytes, and not with a bytearray."""


class Many:
    """A statement over any number of rows: `row` so many times, between the two."""

    def __init__(self, before: str, row: str, after: str = "") -> None:
        self.width = row.count("?")
        self._texts = {count: statement(before, row, count, after) for count in _SIZES}

    def over(self, values: Sequence[Any]) -> Iterable[tuple[str, Sequence[Any]]]:
        """In runs of few sizes: its text, and of `values`, those of all rows, the next."""
        text = self._texts.get(len(values) // self.width)
        return self._runs(values) if text is None else ((text, values),)

    def _runs(self, values: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
        start, left = 0, len(values) // self.width
        while left:
            size = _size(left)
            yield (
                self._texts[size],
                values[start * self.width : (start + size) * self.width],
            )
            start, left = start + size, left - size


def flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The values of all rows, one after the other."""
    return [*chain.from_iterable(rows)]


@cache
def statement(before: str, row: str, count: int, after: str = "") -> str:
    """`row` so many times, between the two."""
    return before + ", ".join([row] * count) + after
