"""A gateway process that spends: `python -m tests.journals.spending_child FILE GRANT,PARENT,... NAME [LINES]`.

It makes calls under a grant, many at once, until one is refused, and prints a dot for each that was let through.
LINES: after so many the purses are folded.
"""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from gateway.core.grant import Spend
from gateway.errors import Refused
from gateway.journals import ledger
from gateway.journals.sqlite import SqliteJournal
from gateway.values import replace
from tests.journals.calls import NOON, intent

CALLERS = 8


async def spend(path: Path, chain: tuple[str, ...], name: str) -> None:
    journal = await SqliteJournal.open(path)
    numbers, refused = count(), asyncio.Event()

    async def caller() -> None:
        while not refused.is_set():
            line = intent(f"{name}-{next(numbers)}")
            try:
                pending = journal.append(replace(line, claims=(Spend(chain, 0, 0, NOON),)))
                await pending.sealed()
                os.write(1, b".")
            except Refused:
                refused.set()

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await journal.aclose()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        vars(ledger).update(LINES=int(sys.argv[4]))
    asyncio.run(spend(Path(sys.argv[1]), tuple(sys.argv[2].split(",")), sys.argv[3]))
