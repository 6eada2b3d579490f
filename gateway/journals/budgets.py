"""What was left of each budget before and after a call, in the call's own line.

Only the commit that spends knows it, so it is put behind the line's bytes there, before they are stored:
`"budget": [{"grant", "before": {...}, "after": {...}}]`, the call's own grant first, each with what is limited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.grant import Spend
from gateway.journals.entry import Entry

Left = Mapping[str, tuple[int | None, ...]]
"""Of each purse, by its place: uses, writes, bytes; None where there is no limit."""
NAMES: Final = ("uses", "writes", "bytes")
IN: Final = "/"


def place(root: str, grant: str) -> str:
    """Where a grant's purse lies: beside all of its root's."""
    return f"{root}{IN}{grant}"


def bodies(entries: Sequence[Entry], left: Left) -> list[bytes]:
    """The bytes to store of these lines. `left`: after all of them."""
    if not left:
        return [entry.body for entry in entries]
    running, found = dict(left), list[bytes]()
    for entry in reversed(entries):
        spends = [claim for claim in entry.source.claims if isinstance(claim, Spend)]
        budget = [one for spend in spends for one in _budget(spend, running)]
        found.append(_with(entry.body, budget))
    return found[::-1]


def _budget(spend: Spend, running: dict[str, tuple[int | None, ...]]) -> list[dict[str, Any]]:
    """And `running` is taken back to before this call."""
    told = []
    for grant in spend.chain:
        purse = place(spend.chain[-1], grant)
        after, took = running[purse], (1, spend.writes, spend.bytes)
        before = tuple(
            None if have is None else have + gone for have, gone in zip(after, took, strict=True)
        )
        running[purse] = before
        if any(have is not None for have in after):
            told.append({"grant": grant, "before": _named(before), "after": _named(after)})
    return told


def _named(left: tuple[int | None, ...]) -> dict[str, int]:
    return {name: have for name, have in zip(NAMES, left, strict=True) if have is not None}


def _with(body: bytes, budget: list[dict[str, Any]]) -> bytes:
    if not budget:
        return body
    return body[:-1] + b',"budget":' + json.dumps(budget, separators=(",", ":")).encode() + b"}"
