"""`bulkhead`, dying by SIGKILL at its nth point: `python -m tests.faults.dying N LOG WORDS...`.

A point is: a line about to be queued, a line just durable, a call about to reach a tool server, an answer
just come from one. With N = 0 it lives. How many points there were is appended to LOG, name by name.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arm(at: int, log: Path) -> None:
    """Every point counts from now on."""
    from gateway.journals.entry import Entry
    from gateway.journals.sqlite import SqliteJournal
    from gateway.wire.servers.rounds import Rounds

    passed = 0

    def point(name: str) -> None:
        nonlocal passed
        passed += 1
        with log.open("a") as out:
            out.write(f"{name}\n")
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)

    append, sealed, call = SqliteJournal.append, Entry.sealed, Rounds.call

    def appended(self: Any, line: Any) -> Any:
        point(f"before {line.kind}")
        return append(self, line)

    async def durable(self: Any) -> Any:
        done = await sealed(self)
        point(f"durable {done.kind}")
        return done

    async def called(self: Any, permit: Any, message: Any, channel: Any) -> Any:
        point(f"before the call of {message.params.get('name')}")
        outcome = await call(self, permit, message, channel)
        point(f"after the call of {message.params.get('name')}")
        return outcome

    set_all: Callable[..., None] = setattr
    set_all(SqliteJournal, "append", appended)
    set_all(Entry, "sealed", durable)
    set_all(Rounds, "call", called)


def main() -> None:
    at, log, *words = sys.argv[1:]
    arm(int(at), Path(log))
    sys.argv = ["bulkhead", *words]
    from gateway.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
