"""The proof of one call: its exact lines, the way of each up to a signed checkpoint, and that checkpoint."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Protocol

from gateway.evidence import merkle
from gateway.evidence.merkle import Node
from gateway.ports import EventRow


class NotYet(Exception):
    """The log or its newest checkpoint does not cover these lines yet."""


class Checkpoints(Protocol):
    """Where signed checkpoints are kept (journals/tilefile.py)."""

    def checkpoint(self, covering: int = 0) -> str | None: ...


def prove(lines: Sequence[EventRow], checkpoints: Checkpoints, node: Node) -> dict[str, Any]:
    """The document `verify.py` checks. Raises `NotYet`, `JournalError`."""
    note = checkpoints.checkpoint(covering=max(line.seq for line in lines))
    if note is None:
        raise NotYet("no checkpoint covers this call yet")
    size = size_of(note)
    return {
        "events": [
            {
                "index": line.seq - 1,
                "body": coded(line.body),
                "inclusion": [coded(step) for step in merkle.inclusion(line.seq - 1, size, node)],
            }
            for line in lines
        ],
        "checkpoint": note,
    }


def extends(old: int, checkpoints: Checkpoints, node: Node) -> dict[str, Any]:
    """That the newest checkpoint's log begins with the first `old` lines. Raises `NotYet`, `JournalError`."""
    note = checkpoints.checkpoint(covering=max(old, 1))
    if note is None:
        raise NotYet("no checkpoint covers as many lines")
    path = merkle.consistency(old, size_of(note), node)
    return {"consistency": [coded(step) for step in path], "checkpoint": note}


def size_of(note: str) -> int:
    """How many lines a checkpoint of our own is over."""
    return int(note.splitlines()[1])


def coded(raw: bytes) -> str:
    """Base64."""
    return base64.b64encode(raw).decode()
