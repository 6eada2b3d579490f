"""A Merkle tree as RFC 9162, section 2.1: its root, and proofs of inclusion and consistency.

Pure. It is asked with a way to look up the hash of a complete subtree, and never sees a leaf. How proofs
are checked stands in `verify.py`, which shares the two hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from gateway.evidence.verify import node_hash, split

Node = Callable[[int, int], bytes]
"""(level, index) -> the hash over the 2**level leaves that begin at index * 2**level."""

EMPTY_ROOT: Final = sha256(b"").digest()


def root(size: int, node: Node) -> bytes:
    """The hash over the first `size` leaves."""
    return _over(0, size, node) if size else EMPTY_ROOT


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf end first (2.1.3.1).

    Raises `ValueError` when there is no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} among {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """The proof that the first `old` of `new` leaves are what they were (2.1.4.1).

    Raises `ValueError` for a tree that has shrunk, or none."""
    if not 0 < old <= new:
        raise ValueError(f"no tree of {old} leaves comes before one of {new}")
    path: list[bytes] = []
    begin, end, whole = 0, new, True
    while end != old:
        middle = begin + split(end - begin)
        if old <= middle:
            path.append(_over(middle, end, node))
            end = middle
        else:
            path.append(_over(begin, middle, node))
            begin, whole = middle, False
    if not whole:
        path.append(_over(begin, end, node))
    return path[::-1]


def _over(begin: int, end: int, node: Node) -> bytes:
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + split(count)
    return node_hash(_over(begin, middle, node), _over(middle, end, node))
