"""A gateway process that spends: `python -m tests.journals.spending_child FILE GRANT,PARENT,... NAME`.

It makes calls under a grant, many at once, until one is refused, and prints how many were let through.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from gateway.core.grant import Spend
from gateway.errors import Refused
from gateway.journals.sqlite import SqliteJournal
from gateway.values import replace
from tests.journals.calls import NOON, intent

CALLERS = 8


async def spend(path: Path, chain: tuple[str, ...], name: str) -> int:
    journal = await SqliteJournal.open(path)
    numbers, sealed = count(), 0
    refused = asyncio.Event()

    async def caller() -> None:
        nonlocal sealed
        while not refused.is_set():
            line = intent(f"{name}-{next(numbers)}")
            try:
                pending = journal.append(replace(line, claims=(Spend(chain, 0, 0, NOON),)))
                await pending.sealed()
                sealed += 1
            except Refused:
                refused.set()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await journal.aclose()
    return sealed


if __name__ == "__main__":
    done = asyncio.run(spend(Path(sys.argv[1]), tuple(sys.argv[2].split(",")), sys.argv[3]))
    sys.stdout.write(str(done))
