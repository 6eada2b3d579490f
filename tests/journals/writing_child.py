"""A gateway process reduced to its journal: writes calls until it is killed, and reports on standard output.

    python -m tests.journals.writing_child JOURNAL PREFIX CALLERS [LIMIT_BYTES]

    ready <call>          the journal is open and recovered, and this call's intent is sealed, for ever open
    forwarded <call>      its intent is sealed: from here on a tool server could have been asked
    answered <call>       its outcome is sealed: from here on an agent could have been told

With LIMIT_BYTES no file of this process may grow past that size, as on a full disk; each refusal is
reported as `refused <call> <why>` and the limit is lifted when standard input closes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from itertools import count
from pathlib import Path

from gateway.errors import JournalError
from gateway.journals.sqlite import SqliteJournal
from tests.journals.calls import intent, outcome


def report(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def caller(journal: SqliteJournal, name: str) -> None:
    """One call after the other, as an agent would."""
    for number in count():
        call_id = f"{name}-{number}"
        await journal.append(intent(call_id)).sealed()
        report(f"forwarded {call_id}")
        await journal.append(outcome(call_id)).sealed()
        report(f"answered {call_id}")


async def main() -> None:
    path, prefix, callers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    journal = await SqliteJournal.open(path)
    await journal.recover()
    await journal.append(intent(f"{prefix}open")).sealed()
    report(f"ready {prefix}open")
    if len(sys.argv) > 4:
        await until_full(journal, prefix, int(sys.argv[4]))
    else:
        await asyncio.gather(*(caller(journal, f"{prefix}{n}") for n in range(callers)))


async def until_full(journal: SqliteJournal, prefix: str, limit: int) -> None:
    """Write until the limit refuses, wait to be told that there is room, write once more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for number in count():
        call_id = f"{prefix}-{number}"
        try:
            await journal.append(intent(call_id, arguments={"text": "x" * 2_000})).sealed()
        except JournalError as error:
            report(f"refused {call_id} {error}")
            break
        report(f"forwarded {call_id}")
    sys.stdin.read()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    for number in count():
        call_id = f"{prefix}-after-{number}"
        try:
            await journal.append(intent(call_id)).sealed()
        except JournalError:
            await asyncio.sleep(0.02)
            continue
        report(f"forwarded {call_id}")
        break
    await journal.aclose()


if __name__ == "__main__":
    asyncio.run(main())
