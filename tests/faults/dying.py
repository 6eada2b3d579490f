"""`bulkhead`, dying by SIGKILL at its nth point: `python -m tests.faults.dying N LOG WORDS...`.

A point is: a line about to be queued, a line just durable, a call about to reach a tool server, an answer
just come from one, resources about to be leased, just leased, foreseen, about to be let go. With N = 0 it lives.
How many points there were is appended to LOG, name by name.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arm(at: int, log: Path) -> Callable[[str], None]:
    """Every point counts from now on. What is returned is one more, for whoever has some of their own."""
    from gateway.journals.entry import Entry
    from gateway.journals.leases import SqliteLeases
    from gateway.journals.sqlite import SqliteJournal
    from gateway.wire.servers.bridge import Bridge

    passed = 0

    def point(name: str) -> None:
        nonlocal passed
        passed += 1
        with log.open("a") as out:
            out.write(f"{name}\n")
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)

    append, sealed, call = SqliteJournal.append, Entry.sealed, Bridge.call
    take, take_one = SqliteLeases.take, SqliteLeases.take_one
    at_once, release = SqliteLeases.at_once, SqliteLeases.release

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

    def taking(take: Callable[..., Any]) -> Callable[..., Any]:
        async def taken(self: Any, *claim: Any, **terms: Any) -> Any:
            point("before the lease")
            leases = await take(self, *claim, **terms)
            point("after the lease")
            return leases

        return taken

    def foreseen(self: Any, *claim: Any, **terms: Any) -> Any:
        if (leases := at_once(self, *claim, **terms)) is not None:
            point("with a lease foreseen")
        return leases

    def released(self: Any, *claim: Any) -> None:
        point("before the release")
        release(self, *claim)

    set_all: Callable[..., None] = setattr
    set_all(SqliteJournal, "append", appended)
    set_all(Entry, "sealed", durable)
    set_all(Bridge, "call", called)
    set_all(SqliteLeases, "take", taking(take))
    set_all(SqliteLeases, "take_one", taking(take_one))
    set_all(SqliteLeases, "at_once", foreseen)
    set_all(SqliteLeases, "release", released)
    return point


def main() -> None:
    at, log, *words = sys.argv[1:]
    arm(int(at), Path(log))
    sys.argv = ["bulkhead", *words]
    from gateway.__main__ import main as run

    run()


if __name__ == "__main__":
    main()
