"""Who wrote where, found by the resource: a plan of thousands of calls must not ask each of them about each other.

It knows which resources overlap only as `core.reverse.overlaps` does, and nothing of calls. `Overlapping` finds all
that wrote there, `Nearest` the last of them, `Numbered` the highest of those above a number.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Generic, TypeVar

T = TypeVar("T")


class Overlapping(Generic[T]):
    """Things, each with the resources it wrote."""

    def __init__(self) -> None:
        self._at = defaultdict[str, dict[int, T]](dict)
        """By resource, and by its number: the how manieth it is."""
        self._inside = defaultdict[str, dict[int, T]](dict)
        """By each that a resource of it lies in."""
        self._count = 0

    def add(self, keys: Iterable[str], one: T) -> None:
        """It wrote these."""
        number, self._count = self._count, self._count + 1
        for key in keys:
            own = key.rstrip("/")
            self._at[own][number] = one
            for each in _above(own):
                self._inside[each][number] = one

    def find(self, keys: Iterable[str]) -> list[T]:
        """Those that wrote one of these, or inside of one, or what one of these is inside of; in the order in which
        they were added, each once."""
        found: dict[int, T] = {}
        for key in keys:
            own = key.rstrip("/")
            found |= self._inside.get(own, {})
            for each in (own, *_above(own)):
                found |= self._at.get(each, {})
        return [found[number] for number in sorted(found)]


class Nearest(Generic[T]):
    """Things that wrote one after the other. Whoever looks for the last on a resource finds those that no later one
    wrote over whole: those behind it overlap with it, too. So thousands that wrote one resource are found as one."""

    def __init__(self) -> None:
        self._at: dict[str, tuple[int, T]] = {}
        self._inside = defaultdict[str, set[str]](set)
        """By each that a resource of them lies in."""
        self._count = 0

    def add(self, keys: Iterable[str], one: T) -> None:
        """It wrote these, after all before it."""
        number, self._count = self._count, self._count + 1
        for key in keys:
            own = key.rstrip("/")
            for under in tuple(self._inside.get(own, ())):
                self._forget(under)
            self._at[own] = number, one
            for each in _above(own):
                self._inside[each].add(own)

    def _forget(self, key: str) -> None:
        del self._at[key]
        for each in _above(key):
            self._inside[each].remove(key)

    def find(self, keys: Iterable[str]) -> list[T]:
        """The last that wrote one of these, or inside of one, or what one of these is inside of; in the order in
        which they were added, each once."""
        found: dict[int, T] = {}
        for key in keys:
            own = key.rstrip("/")
            for each in (own, *self._inside.get(own, ()), *_above(own)):
                if each in self._at:
                    number, one = self._at[each]
                    found[number] = one
        return [found[number] for number in sorted(found)]


class Numbered(Generic[T]):
    """Things with a number each, and the resources they wrote, in no order: who asks for the highest on a resource does
    not go through all of them."""

    def __init__(self) -> None:
        self._at = defaultdict[str, list[tuple[int, T]]](list)
        """By resource, the lowest first."""
        self._inside = defaultdict[str, set[str]](set)
        """By each that a resource of them lies in."""

    def add(self, keys: Iterable[str], number: int, one: T) -> None:
        """It wrote these. No other has this number."""
        for own in {key.rstrip("/") for key in keys}:
            insort(self._at[own], (number, one), key=_number)
            for each in _above(own):
                self._inside[each].add(own)

    def find(self, keys: Iterable[str], after: int) -> Iterator[T]:
        """Those with a higher number than `after` that wrote one of these, or inside of one, or what one of these is
        inside of; the highest first, each once."""
        places = set[str]()
        for own in {key.rstrip("/") for key in keys}:
            places |= {own, *self._inside.get(own, ()), *_above(own)}
        runs = [self._down(place, after) for place in places if place in self._at]
        last = None
        for number, one in merge(*runs, key=_number, reverse=True):
            if number != last:
                yield one
            last = number

    def _down(self, place: str, after: int) -> Iterator[tuple[int, T]]:
        run = self._at[place]
        for at in range(len(run) - 1, bisect_right(run, after, key=_number) - 1, -1):
            yield run[at]


def _number(each: tuple[int, object]) -> int:
    return each[0]


def _above(key: str) -> list[str]:
    """What a resource is inside of, by whole segments."""
    ends = (at for at, letter in enumerate(key) if letter == "/")
    return [key[:at] for at in ends if not key[:at].endswith("/")]
