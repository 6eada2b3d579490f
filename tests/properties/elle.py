"""Was there one order of all that was done? By what everybody read, after Elle (Kingsbury and Alvaro, VLDB 2020).

Records are lists to which calls append values of their own, so what is read tells its whole history. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter


@dataclass(frozen=True, slots=True)
class Done:
    """One operation that was answered. Times: of one clock, in any unit."""

    key: str
    appended: str
    """Empty: it only read."""
    seen: tuple[str, ...]
    """The list as it found it, with what it appended at its end."""
    began: float
    ended: float


def wrong(history: Sequence[Done], last: Mapping[str, Sequence[str]]) -> str:
    """Why no serial order explains this, in a sentence; empty: one does, and it is that of the clock.

    `last`: the lists at the end."""
    for key, values in last.items():
        mine = sorted(each.appended for each in history if each.key == key and each.appended)
        if sorted(values) != mine:
            return f"{key}: {len(mine)} values were acknowledged, {len(values)} are there"
    for each in history:
        if tuple(last[each.key][: len(each.seen)]) != each.seen:
            return f"{each.key}: somebody read {each.seen}, which it never was"
    try:
        TopologicalSorter(_after(history)).prepare()
    except CycleError as cycle:
        return f"a cycle: {[history[index] for index in cycle.args[1]]}"
    return ""


def _after(history: Sequence[Done]) -> dict[int, set[int]]:
    """By operation, those that must stand before it."""
    return {
        index: {other for other, earlier in enumerate(history) if _before(earlier, later)}
        for index, later in enumerate(history)
    }


def _before(earlier: Done, later: Done) -> bool:
    if earlier is later:
        return False
    return earlier.ended < later.began or any(_orders(earlier, later))


def _orders(earlier: Done, later: Done) -> Iterator[bool]:
    """Write and read, write and write, read and write, on one record: who saw less stands before who saw more."""
    same = earlier.key == later.key
    seen, more = len(earlier.seen), len(later.seen)
    yield same and bool(earlier.appended) and more >= seen
    yield same and bool(later.appended) and seen < more
