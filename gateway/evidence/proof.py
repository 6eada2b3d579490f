"""The proof of one call: its exact lines, the way of each up to a signed checkpoint, and that checkpoint.

Each is checked before it is given: one that does not hold would be its owner's shame.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.errors import JournalError
from gateway.evidence import merkle
from gateway.evidence.merkle import Node
from gateway.evidence.verify import (
    Checkpoint,
    Unsound,
    check_consistency,
    check_inclusion,
    leaf_hash,
)
from gateway.ports import EventRow


class NotYet(Exception):
    """The log or its newest checkpoint does not cover these lines yet, or no longer those of then."""


class Checkpoints(Protocol):
    """Where signed checkpoints are kept (journals/tilefile.py)."""

    def checkpoint(self, covering: int = 0) -> str | None: ...


CHANGED: Final = (
    "a proof of this call would not hold: `bulkhead evidence check` says whether the journal was changed."
    " If not, its log was (evidence.db), and a gateway makes it anew once that is moved away"
)


def prove(lines: Sequence[EventRow], checkpoints: Checkpoints, node: Node) -> dict[str, Any]:
    """What a warrant has of its lines. Raises `NotYet`, `JournalError`."""
    note = checkpoints.checkpoint(covering=max(line.seq for line in lines))
    if note is None:
        raise NotYet("no checkpoint covers this call yet")
    log = _said(note)
    try:
        return {"events": [_event(line, log, node) for line in lines], "checkpoint": note}
    except (KeyError, ValueError, Unsound):
        raise JournalError(CHANGED) from None


def _event(line: EventRow, log: Checkpoint, node: Node) -> dict[str, Any]:
    index = line.seq - 1
    path = merkle.inclusion(index, log.size, node)
    check_inclusion(leaf_hash(line.body), index, log, path)
    return {"index": index, "body": coded(line.body), "inclusion": [coded(step) for step in path]}


def extends(old: Checkpoint, checkpoints: Checkpoints, node: Node) -> dict[str, Any]:
    """That the newest checkpoint's log begins with the log of an older one, for `verify.py --since`.

    Raises `NotYet`, `JournalError`."""
    note = checkpoints.checkpoint(covering=max(old.size, 1))
    if note is None:
        raise NotYet("no checkpoint covers as many lines")
    log = _said(note)
    try:
        path = merkle.consistency(old.size, log.size, node)
        check_consistency(old, log, path)
    except (KeyError, ValueError, Unsound):
        raise NotYet("the log does not begin with that one") from None
    return {"consistency": [coded(step) for step in path], "checkpoint": note}


def size_of(note: str) -> int:
    """How many lines a checkpoint of our own is over. Raises `JournalError`."""
    return _said(note).size


def _said(note: str) -> Checkpoint:
    try:
        _, size, root, *_ = note.splitlines()
        return Checkpoint(int(size), base64.b64decode(root))
    except ValueError:
        raise JournalError("a checkpoint in evidence.db is none: it was changed") from None


def coded(raw: bytes) -> str:
    """Base64."""
    return base64.b64encode(raw).decode()
