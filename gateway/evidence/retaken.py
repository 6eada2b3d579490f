"""Is the log itself what the journal's lines make? They are taken in once more, and each tile that comes of it is laid
beside the one that is kept.

It holds the last tile of each level and no more. What checkpoints say of the lines stands in audit.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from gateway.core.apart import Filed
from gateway.evidence.tiles import BITS, FULL, HASH, WIDTH, Tile, Tiles
from gateway.evidence.verify import leaf_hash

NAMED: Final = 5
"""Places that are named; of more it is said how many."""


class Kept(Protocol):
    """Where the log lies (journals/tilefile.py)."""

    def tile(self, level: int, number: int) -> bytes: ...

    def lengths(self) -> Sequence[tuple[int, int, int]]:
        """Level, number and bytes of every tile there is, all at one time."""
        ...


class Retaken:
    """One pass over the lines, and a `tiles.Store` of what comes of it. To be made before they are read: what the log
    has by then must be among them."""

    def __init__(self, kept: Kept, signed: int) -> None:
        """`signed`: how many lines a checkpoint beside the log covers. Raises what `kept` raises."""
        self._kept = kept
        self._lengths = {(level, number): size for level, number, size in kept.lengths()}
        ends = [
            at * WIDTH + -(-size // HASH) for (row, at), size in self._lengths.items() if not row
        ]
        self._size = max([signed, *ends])
        self._lines = 0
        self._made: dict[int, tuple[int, bytes]] = {}
        self._others: dict[str, None] = {}

    def passing(self, lines: Iterable[Filed]) -> Iterator[Filed]:
        """The same lines, each taken in on its way."""
        tiles, leaves = Tiles(self), list[bytes]()
        for line in lines:
            leaves.append(leaf_hash(line.body))
            if len(leaves) == WIDTH:
                tiles.append(leaves)
                leaves = []
            self._lines += 1
            yield line
        tiles.append(leaves)

    def wrong(self) -> Iterator[str]:
        """What of the log is not of these lines, in words."""
        if self._size > self._lines:
            yield f"the journal has {self._lines} lines, its log (evidence.db) {self._size}"
            return
        wrong = [*self._others, *self._misshapen()]
        for what in wrong[:NAMED]:
            yield f"the journal's log (evidence.db) was changed: {what}"
        if wrong[NAMED:]:
            yield f"the journal's log (evidence.db) was changed in {len(wrong) - NAMED} more places"

    def tile(self, level: int, number: int) -> bytes:
        """See `tiles.Store`."""
        at, hashes = self._made.get(level, (number, b""))
        return hashes if at == number else b""

    def last(self) -> tuple[int, bytes]:
        """See `tiles.Store`."""
        return self._made.get(0, (0, b""))

    def put(self, tiles: Sequence[Tile]) -> None:
        """See `tiles.Store`. As much of each as is kept must be the same."""
        for level, number, hashes in tiles:
            self._made[level] = number, hashes
            kept = self._kept.tile(level, number)[: len(hashes)]
            if not hashes.startswith(kept):
                self._others[_other(level, number, hashes, kept)] = None

    def _misshapen(self) -> Iterator[str]:
        """A log of so many lines has these tiles and no others, each of one length."""
        wanted = dict[tuple[int, int], int]()
        level, count = 0, self._size
        while count:
            wanted |= {
                (level, number): min(FULL, count * HASH - number * FULL)
                for number in range(-(-count // WIDTH))
            }
            level, count = level + 1, count >> BITS
        for place in sorted(wanted.keys() | self._lengths.keys()):
            have, want = self._lengths.get(place, 0), wanted.get(place, 0)
            if have != want:
                yield f"tile {place[0]}/{place[1]} has {have} bytes, and {want} belong there"


def _other(level: int, number: int, hashes: bytes, kept: bytes) -> str:
    if level:
        return f"tile {level}/{number} does not follow from the lines"
    differs = next(at for at in range(0, len(kept), HASH) if kept[at:][:HASH] != hashes[at:][:HASH])
    return f"it has another line {number * WIDTH + differs // HASH + 1}"
