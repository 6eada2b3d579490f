"""How a call's share of its grants' budgets is written: for people in the line, for the ledger beside it.

In the line, `"budget": [{"grant", "before": {...}, "after": {...}}]`, the call's own grant first, each with what is
limited. Only the commit that spends knows it, so it is put behind the line's text there, before that is stored.
Beside it, `writes bytes at place place ...`: what ledger.py reads again. It knows no store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from gateway.core.grant import Spend
from gateway.core.purse import Left
from gateway.journals.entry import Entry

NAMES: Final = ("uses", "writes", "bytes")
_OF_GRANT: Final = 40
_OF_ROOT: Final = 23
_BETWEEN: Final = ";"
"""Two spends of one line."""


Bill = tuple[str, str]
"""Of one call: what is told in its line, and what stands beside it."""


def places(chain: Sequence[str]) -> list[int]:
    """Where the purses of a chain lie, its own grant's first: beside all of their root's.

    A number in 63 bits, of the ids alone: nothing is looked up to find it. A second grant that came to the same
    one (one in a trillion, of one root) would not be given."""
    root = _bits(chain[-1], _OF_ROOT) << _OF_GRANT
    return [root | _bits(grant, _OF_GRANT) for grant in chain]


def place(root: str, grant: str) -> int:
    """Where one grant's purse lies."""
    return places((grant, root))[0]


def _bits(text: str, count: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> (64 - count)


def form(grant: str, left: Left) -> str:
    """How a spend from a grant's purse is told, but for the numbers: `form % (before + after)`. It serves for always,
    as what is not limited never gets a limit. Empty when nothing is limited."""
    fields, comma = "", ""
    for name, has in zip(NAMES, left, strict=True):
        # "%.0s" takes a value and says nothing.
        fields += "%.0s" if has is None else f'{comma}"{name}":%s'
        comma = comma if has is None else ","
    quoted = json.dumps(grant).replace("%", "%%")
    return f'{{"grant":{quoted},"before":{{{fields}}},"after":{{{fields}}}}}' if comma else ""


def read(spent: str) -> Iterator[tuple[int, ...]]:
    """Of each spend of a line: writes, bytes, at, and the places."""
    for one in spent.split(_BETWEEN):
        yield tuple(map(int, one.split()))


def written(entries: Sequence[Entry], bills: Sequence[Bill]) -> list[tuple[str, str]]:
    """The text to store of these lines, and what stands beside them. `bills`: of all their spends, in order."""
    upcoming = iter(bills)
    return [_written(entry, upcoming) for entry in entries]


def _written(entry: Entry, upcoming: Iterator[Bill]) -> tuple[str, str]:
    own = [next(upcoming) for claim in entry.source.claims if type(claim) is Spend]
    told = ",".join([told for told, _ in own if told])
    body = f'{entry.body[:-1]},"budget":[{told}]}}' if told else entry.body
    return body, _BETWEEN.join([spent for _, spent in own])
