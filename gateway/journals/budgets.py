"""What was left of each budget before and after a call, in the call's own line.

Only the commit that spends knows it, so it is put behind the line's bytes there, before they are stored:
`"budget": [{"grant", "before": {...}, "after": {...}}]`, the call's own grant first, each with what is limited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from gateway.core.grant import Spend
from gateway.journals.entry import Entry

Left = Mapping[int, Sequence[int | None]]
"""Of each purse, by its place: uses, writes, bytes; None where there is no limit."""
NAMES: Final = ("uses", "writes", "bytes")
_OF_GRANT: Final = 40
_OF_ROOT: Final = 23


@lru_cache(maxsize=16_384)
def places(chain: tuple[str, ...]) -> tuple[int, ...]:
    """Where the purses of a chain lie, its own grant's first: beside all of their root's.

    A number in 63 bits, of the ids alone: nothing is looked up to find it. A second grant that came to the same
    one (one in a trillion, of one root) would not be given."""
    root = _bits(chain[-1], _OF_ROOT) << _OF_GRANT
    return tuple(root | _bits(grant, _OF_GRANT) for grant in chain)


def place(root: str, grant: str) -> int:
    """Where one grant's purse lies."""
    return places((grant, root))[0]


def _bits(text: str, count: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> (64 - count)


def bodies(entries: Sequence[Entry], left: Left) -> list[bytes]:
    """The bytes to store of these lines. `left`: before all of them."""
    if not left:
        return [entry.body for entry in entries]
    running = dict(left)
    return [_with(entry, running) for entry in entries]


def _with(entry: Entry, running: dict[int, Sequence[int | None]]) -> bytes:
    told = [
        one
        for claim in entry.source.claims
        if isinstance(claim, Spend)
        for one in _budget(claim, running)
    ]
    if not told:
        return entry.body
    return f'{entry.body[:-1].decode()},"budget":[{",".join(told)}]}}'.encode()


def _budget(spend: Spend, running: dict[int, Sequence[int | None]]) -> list[str]:
    """And `running` is taken on to after this call."""
    told = []
    for grant, purse in zip(spend.chain, places(spend.chain), strict=True):
        uses, writes, size = before = running[purse]
        after = running[purse] = (
            None if uses is None else uses - 1,
            None if writes is None else writes - spend.writes,
            None if size is None else size - spend.bytes,
        )
        if after != (None, None, None):
            name, was, is_ = _quoted(grant), _named(before), _named(after)
            told.append(f'{{"grant":{name},"before":{{{was}}},"after":{{{is_}}}}}')
    return told


def _named(left: Sequence[int | None]) -> str:
    return ",".join(
        [f'"{name}":{have}' for name, have in zip(NAMES, left, strict=True) if have is not None]
    )


@lru_cache(maxsize=16_384)
def _quoted(grant: str) -> str:
    return json.dumps(grant)
