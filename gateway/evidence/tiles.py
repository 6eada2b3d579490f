"""The Merkle log in tiles of 256 hashes, a level of tiles above each: what is added, and any subtree's hash.

It knows a place that keeps rows of bytes, and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, Protocol

from gateway.evidence import merkle
from gateway.evidence.verify import Checkpoint, node_hash

HASH: Final = 32
WIDTH: Final = 256
BITS: Final = 8
"""One level of tiles holds every eighth level of the tree: 2**8 is a tile's width."""
FULL: Final = WIDTH * HASH
_PAIRS: Final = Struct(f"{2 * HASH}s").iter_unpack
"""Left and right stand side by side, as they are hashed."""

Tile = tuple[int, int, bytes]
"""Level, number, hashes."""


class Store(Protocol):
    """Keeps tiles (journals/tilefile.py)."""

    def tile(self, level: int, number: int) -> bytes: ...

    def last(self) -> tuple[int, bytes]: ...

    def put(self, tiles: Sequence[Tile]) -> None: ...


class Tiles:
    """One log. Raises what its store raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def size(self) -> int:
        """How many leaves it has."""
        number, hashes = self._store.last()
        return number * WIDTH + len(hashes) // HASH

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes at the end, all or none."""
        level, start = 0, self.size
        written: list[Tile] = []
        while leaves:
            filled = self._filled(level, start, leaves)
            written += filled
            leaves = [_root(hashes) for _, _, hashes in filled if len(hashes) == FULL]
            level, start = level + 1, start // WIDTH
        self._store.put(written)

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree (see `merkle.Node`). Raises `KeyError` when it is not complete."""
        row, inside = divmod(level, BITS)
        number, offset = divmod(index << inside, WIDTH)
        hashes = self._store.tile(row, number)[offset * HASH :][: HASH << inside]
        if len(hashes) != HASH << inside:
            raise KeyError((level, index))
        return _root(hashes)

    def root(self) -> Checkpoint:
        """What a checkpoint of now would say."""
        size = self.size
        return Checkpoint(size, merkle.root(size, self.node))

    def _filled(self, level: int, start: int, hashes: Sequence[bytes]) -> list[Tile]:
        """The tiles of one level that change when these come to stand behind the first `start`."""
        number, have = divmod(start, WIDTH)
        pending = (self._store.tile(level, number) if have else b"") + b"".join(hashes)
        return [
            (level, number + at // FULL, pending[at : at + FULL])
            for at in range(0, len(pending), FULL)
        ]


def _root(hashes: bytes) -> bytes:
    """Of 1, 2, 4, ... 256 hashes."""
    while len(hashes) > HASH:
        hashes = b"".join([node_hash(pair, b"") for (pair,) in _PAIRS(hashes)])
    return hashes
