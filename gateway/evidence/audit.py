"""Is the journal what its checkpoints say? Every line is hashed again, and laid beside every checkpoint held.

What it finds: any line before a checkpoint changed, taken out, put in, or in another place, and a log cut
shorter than a checkpoint somebody still has. What it cannot find: a tail cut off after the newest
checkpoint held. So hold one elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from gateway.evidence.merkle import EMPTY_ROOT
from gateway.evidence.verify import Checkpoint, leaf_hash, node_hash
from gateway.ports import EventRow
from gateway.values import Value


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


def audit(lines: Iterable[EventRow], checkpoints: Iterable[Checkpoint]) -> Audit:
    """All lines, oldest first, against all checkpoints held."""
    held: dict[int, set[bytes]] = {}
    for checkpoint in checkpoints:
        held.setdefault(checkpoint.size, set()).add(checkpoint.root)
    frontier, covered, wrong = Frontier(), 0, []
    wrong += _against(held.pop(0, set()), frontier)
    for line in lines:
        wrong += _misfits(line, frontier.size + 1)
        frontier.add(leaf_hash(line.body))
        found = _against(roots := held.pop(frontier.size, set()), frontier)
        wrong += found
        covered = frontier.size if roots and not found else covered
    if held:
        wrong.append(f"the journal has {frontier.size} lines, a checkpoint says {max(held)}")
    return Audit(frontier.size, covered, tuple(wrong))


def _against(roots: Sequence[bytes] | set[bytes], frontier: Frontier) -> list[str]:
    if all(root == frontier.root() for root in roots):
        return []
    return [f"line {frontier.size} or one before it is not what the checkpoint there says"]


def _misfits(line: EventRow, number: int) -> Iterator[str]:
    """Do the columns people look by say what the line's own bytes say?"""
    if line.seq != number:
        yield f"line {number} is missing: the next one is numbered {line.seq}"
    try:
        said = json.loads(line.body)
        fits = (said["call"], said["kind"], said["at"]) == (line.call_id, line.kind, line.at)
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        yield f"line {line.seq} is not the line of call {line.call_id} it is filed as"
