"""Checks evidence offline: `python verify.py --key KEY [--since NOTE] PROOF...`. Needs `cryptography`, nothing else.

It imports nothing of the gateway, on purpose: whoever does not trust the operator reads this one file.
Hashes and proofs are those of RFC 9162, section 2.1; checkpoints are signed notes (C2SP). A proof is a
JSON document, as `bulkhead warrant` and `bulkhead journal prove` write it:

    {"events": [{"index": 4, "body": "<base64 of the exact line>", "inclusion": ["<base64>", ...]}, ...],
     "checkpoint": "<signed note>", "warrant": {...}}

Three verdicts on each: authorised, bounded, reversible. Exit status: 0 all three hold, 1 one does not,
2 the evidence itself is not sound.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

EMPTY_ROOT = hashlib.sha256(b"").digest()


class Unsound(Exception):
    """The evidence does not hold: what is wrong with it."""


def leaf_hash(body: bytes) -> bytes:
    """Of one line's exact bytes."""
    return hashlib.sha256(b"\0" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees."""
    return hashlib.sha256(b"\1" + left + right).digest()


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2. Raises `Unsound`."""
    if not 0 <= index < size:
        raise Unsound(f"line {index} is not among the {size} of the checkpoint")
    at, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise Unsound(f"line {index}: its proof is too long")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last != 0 or found != root:
        raise Unsound(f"line {index} is not in the checkpoint's log")


def check_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """RFC 9162, 2.1.4.2: the old log is the beginning of the new one. Raises `Unsound`."""
    if old > new:
        raise Unsound(f"the log has shrunk from {old} lines to {new}: its end was cut off")
    if old == new or old == 0:
        if path or (old and old_root != new_root) or (not old and old_root != EMPTY_ROOT):
            raise Unsound("two different logs of the same length")
        return
    steps = list(path) if old & (old - 1) else [old_root, *path]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not steps:
        raise Unsound("an empty consistency proof")
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise Unsound("the consistency proof is too long")
        if at & 1 or at == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, step)
        at, last = at >> 1, last >> 1
    if (before, after, last) != (old_root, new_root, 0):
        raise Unsound("the log before this checkpoint was changed")


@dataclass(frozen=True)
class Key:
    """A checkpoint key: `<name>+<hash>+<base64>`, as C2SP signed notes spell it."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        """Raises `Unsound`."""
        try:
            name, number, coded = text.strip().split("+", 2)
            raw = base64.b64decode(coded, validate=True)
            key = cls(name, raw[1:])
            if raw[:1] != b"\1" or len(raw) != 33 or key.number.hex() != number:
                raise ValueError
        except (ValueError, binascii.Error):
            raise Unsound("not a checkpoint key: <name>+<hash>+<base64>") from None
        return key

    @property
    def number(self) -> bytes:
        """Its 4 bytes in front of a signature."""
        return hashlib.sha256(self.name.encode() + b"\n\1" + self.public).digest()[:4]

    def __str__(self) -> str:
        coded = base64.b64encode(b"\1" + self.public).decode()
        return f"{self.name}+{self.number.hex()}+{coded}"


@dataclass(frozen=True)
class Checkpoint:
    """What a signed note says of a log: how long it was, and its root."""

    size: int
    root: bytes


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def open_note(note: str, key: Key) -> Checkpoint:
    """The checkpoint in a note this key has signed. Raises `Unsound`."""
    text, blank, signatures = note.partition("\n\n")
    text += "\n"
    mine = [line for line in signatures.splitlines() if line.startswith(f"\u2014 {key.name} ")]
    try:
        if not blank or len(mine) != 1:
            raise ValueError
        raw = base64.b64decode(mine[0].rpartition(" ")[2], validate=True)
        if raw[:4] != key.number:
            raise ValueError
        Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        origin, size, root = text.splitlines()[:3]
        said = Checkpoint(int(size), base64.b64decode(root, validate=True))
        if origin != key.name or checkpoint_text(origin, said.size, said.root) != text:
            raise ValueError
    except (ValueError, binascii.Error, InvalidSignature):
        raise Unsound(f"no checkpoint that {key.name} signed") from None
    return said
