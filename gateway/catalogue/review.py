"""What an operator is asked to approve: each descriptor as it is live beside the one that was approved.

Pure: it knows no terminal, no server, no clock.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from gateway.catalogue import itself
from gateway.catalogue.canonical import digest
from gateway.catalogue.fetch import Lists
from gateway.catalogue.items import Item
from gateway.catalogue.pins import Pin
from gateway.catalogue.text import flags, spelt_out
from gateway.core.model import Target
from gateway.values import Value

Status = Literal["approved", "new", "changed", "unfit", "gone", "unread"]
"""unfit: it cannot be approved. gone: approved, no longer listed. unread: its list could not be read."""


class Difference(Value):
    """One field that is not as it was approved: lines of a unified diff, without its head."""

    field: str
    lines: tuple[str, ...]


class Review(Value):
    """One target of one server, for a person to judge."""

    target: Target
    status: Status
    live: Item | None
    pin: Pin | None
    note: str = ""
    """Why it is unfit or unread."""

    @property
    def pending(self) -> bool:
        """Can and need it be approved?"""
        return self.status in ("new", "changed")

    @property
    def flags(self) -> list[str]:
        """What to look at twice."""
        return flags(self.live.raw) if self.live else []

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Field by field, what changed since it was approved."""
        if self.live is None or self.pin is None or not isinstance(self.live.raw, dict):
            return ()
        return tuple(_differences(self.pin.descriptor, self.live.raw))


def review(server: str, read: Lists, pins: Mapping[Target, Pin]) -> list[Review]:
    """Every target listed or pinned: in list order, what it says of itself, what is pinned only."""
    found: dict[Target, Review] = {}
    for kind, fetched in read.kinds.items():
        for index, item in enumerate(fetched.items):
            target = Target(server, kind, item.name or f"(item {index + 1} has no name)")
            before = found.get(target)
            if before is None or before.live == item:
                found[target] = before or _review(target, item, pins.get(target))
            else:
                note = "listed twice, in two versions"
                found[target] = Review(target, "unfit", before.live, pins.get(target), note)
    words = itself.item(read.said)
    if words is not None:
        found[itself.target(server)] = _review(
            itself.target(server), words, pins.get(itself.target(server))
        )
    for target, pin in pins.items():
        if target not in found:
            problem = next((p for kind, p in read.problems.items() if kind == target.kind), None)
            status: Status = "gone" if problem is None else "unread"
            found[target] = Review(target, status, None, pin, problem or "")
    return list(found.values())


def whole_digest(reviews: Sequence[Review]) -> str:
    """One digest for all a server lists now: approve with it what was looked at, or nothing."""
    listed = [(r.target.kind, r.target.name, r.live.digest) for r in reviews if r.live]
    return digest(sorted(listed))


def _review(target: Target, item: Item, pin: Pin | None) -> Review:
    if item.fault is not None:
        return Review(target, "unfit", item, pin, item.fault)
    if pin is None:
        return Review(target, "new", item, None)
    return Review(target, "approved" if pin.digest == item.digest else "changed", item, pin)


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = _lines(old, name), _lines(new, name)
        if before != after:
            diff = difflib.unified_diff(before, after, lineterm="", n=2)
            yield Difference(name, tuple(list(diff)[2:]))


def _lines(descriptor: dict[str, Any], name: str) -> list[str]:
    """A field as lines: text by its own lines, anything else as JSON; hiding characters spelt out."""
    if name not in descriptor:
        return []
    value = descriptor[name]
    if isinstance(value, str):
        return spelt_out(value.replace("\r", "\\r")).split("\n")
    return spelt_out(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)).split("\n")
