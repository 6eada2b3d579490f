"""Is the journal what its checkpoints say? Every line is hashed again, and laid beside every checkpoint held.

What it finds: any line before a checkpoint changed, taken out, put in, or in another place, a log cut shorter than a
checkpoint somebody still has, and a line that its call's state does not allow. What it cannot find: a tail cut off
after the newest checkpoint held, or put there. So hold one elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.core.apart import Filed
from gateway.core.record import MOVES, State
from gateway.evidence.merkle import EMPTY_ROOT
from gateway.evidence.verify import Checkpoint, leaf_hash, node_hash
from gateway.values import Value

RECORD: Final = b'"record":{'
"""Has the first line of a call, and no other. In a text the marks would be escaped."""


class Audit(Value):
    """What came of it. Sound iff `wrong` is empty."""

    lines: int
    covered: int
    """How many of them lie before a checkpoint that holds."""
    wrong: tuple[str, ...]


class Frontier:
    """The roots of the complete subtrees so far, largest first: enough to add a leaf and to know the root."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """One more leaf."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            size >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Of all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root


def audit(lines: Iterable[Filed], checkpoints: Iterable[Checkpoint]) -> Audit:
    """All lines, oldest first, against all checkpoints held. One thing that was done is told once."""
    held: dict[int, set[bytes]] = {0: set()}
    for checkpoint in checkpoints:
        held.setdefault(checkpoint.size, set()).add(checkpoint.root)
    frontier, covered, before, wrong = Frontier(), 0, 0, list[str]()
    courses, astray = Courses(), list[str]()
    broken = [0] if held.pop(0) - {EMPTY_ROOT} else []
    for line in lines:
        wrong += [*_out_of_place(line.seq, before), *_misfits(line)]
        astray += courses.astray(line)
        before = line.seq
        frontier.add(leaf_hash(line.body))
        roots = held.pop(frontier.size, None)
        if roots == {frontier.root()}:
            covered = frontier.size
        elif roots is not None:
            broken.append(frontier.size)
    wrong += _told(broken)
    if held:
        wrong.append(f"the journal has {frontier.size} lines, a checkpoint says {max(held)}")
    # Where a line is missing or another, its call hardly can be on course.
    return Audit(frontier.size, covered, tuple(wrong or astray))


class Courses:
    """Where each call stands that has not come to its end. A gateway writes no line that its state does not allow."""

    def __init__(self) -> None:
        self._open: dict[str, State] = {}

    def astray(self, line: Filed) -> Iterator[str]:
        """Is it a line that no gateway wrote?"""
        stands, begins = self._open.pop(line.call_id, None), RECORD in line.body
        if line.kind not in MOVES[stands] or begins is (stands is not None):
            was = f"is {stands}" if stands else "has ended, or never begun"
            yield f"line {line.seq} says {line.kind} of call {line.call_id}, which {was}"
        elif MOVES[State(line.kind)]:
            self._open[line.call_id] = State(line.kind)


def _out_of_place(number: int, before: int) -> Iterator[str]:
    """Does a line follow the one before it?"""
    if number == before + 2:
        yield f"line {before + 1} is missing"
    elif number > before + 2:
        yield f"lines {before + 1} to {number - 1} are missing"
    elif number <= before:
        yield f"line {number} stands behind line {before}"


def _told(broken: Sequence[int]) -> Iterator[str]:
    """Checkpoints that do not hold, by how many lines they cover. Behind the first hardly any can."""
    if broken:
        more = f"; {len(broken) - 1} more do not hold either" if broken[1:] else ""
        first = f"line {broken[0]} or one before it is not what the checkpoint there says"
        yield first + more


def _misfits(line: Filed) -> Iterator[str]:
    """Do the columns people look by say what the line's own bytes say?"""
    try:
        said = json.loads(line.body)
        fits = (said["call"], said["kind"], said["at"]) == (line.call_id, line.kind, line.at)
    except (ValueError, KeyError, TypeError, RecursionError):
        fits = False
    if not fits:
        yield f"line {line.seq} is not the line of call {line.call_id} it is filed as"
