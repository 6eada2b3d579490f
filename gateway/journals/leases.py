"""Who writes what: leases on resources in the journal's database, over all gateway processes that share it.

A row is a held lease, its key the epoch: one counter for all resources, only ever growing, so that
two writes anywhere have an order. No clock decides who is alive: a process is, as long as its run's
lock is held (runs.py). Within one process callers wait in the order they came; for another process
they look again every few milliseconds.

No commit of its own waits for the disk: the intent that names an epoch is written to the same log
after it, and waits for both.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

from gateway.core.reverse import Lease, Leased, overlaps
from gateway.errors import Refused
from gateway.journals import runs
from gateway.reasons import Reason

PATIENCE: Final = 30.0
"""Seconds a call waits for its resources."""
LOOKS: Final = (0.005, 0.1)
"""First and longest pause between two looks at another process's leases."""

NEVER: Final = -1
"""As many leases as nobody has."""

T = TypeVar("T")
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one call wants: resources alone, and resources with all others that share them."""

    call_id: str
    alone: tuple[str, ...]
    shared: tuple[str, ...]

    def excludes(self, other: Claim) -> bool:
        """Can these two not hold at the same time?"""
        return (
            _meet(self.alone, other.alone)
            or _meet(self.alone, other.shared)
            or _meet(self.shared, other.alone)
        )


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(overlaps(one, other) for one in some for other in others)


@dataclass(frozen=True, slots=True)
class Terms:
    """When a lease ends by itself. Microseconds."""

    until: int
    quiesce: int
    """From the end of its gateway process: its tool server may still be at it."""


# In the thread that owns the connection:


def grant(
    connection: sqlite3.Connection, claim: Claim, terms: Terms, now: int, run: str, runs_at: Path
) -> list[int] | str:
    """The epochs of `claim.alone`, or the call that is in the way. Raises `sqlite3.Error`."""
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _expire(connection, now, runs_at)
        blocker = _in_the_way(connection, claim)
        if not blocker:
            # An undo taken up by another process has its number still, and what the dead one held.
            connection.execute(
                "DELETE FROM lease WHERE call_id = ? AND orphan = 1", (claim.call_id,)
            )
        epochs = [] if blocker else _insert(connection, claim, terms, run)
        connection.execute("COMMIT")
        return blocker or epochs
    except BaseException:
        # A full disk ends the transaction by itself; what it said is what is to be told.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("PRAGMA synchronous = FULL")


def _expire(connection: sqlite3.Connection, now: int, runs_at: Path) -> None:
    """Terms that are over; and those of a process that has ended begin to run out."""
    connection.execute("DELETE FROM lease WHERE until <= ?", (now,))
    held = connection.execute("SELECT DISTINCT run FROM lease WHERE orphan = 0").fetchall()
    for run in (run for (run,) in held if runs.is_gone(runs_at, run)):
        connection.execute(
            "UPDATE lease SET orphan = 1, until = min(until, ? + quiesce) WHERE run = ?", (now, run)
        )


def _in_the_way(connection: sqlite3.Connection, claim: Claim) -> str:
    rows = connection.execute("SELECT call_id, key, alone FROM lease ORDER BY epoch")
    for call_id, key, alone in rows:
        theirs = Claim(call_id, (key,), ()) if alone else Claim(call_id, (), (key,))
        if call_id != claim.call_id and claim.excludes(theirs):
            return str(call_id)
    return ""


def _insert(connection: sqlite3.Connection, claim: Claim, terms: Terms, run: str) -> list[int]:
    epochs = []
    for alone, keys in ((1, claim.alone), (0, claim.shared)):
        for key in keys:
            made = connection.execute(
                "INSERT INTO lease (key, alone, call_id, run, until, quiesce, orphan)"
                " VALUES (?, ?, ?, ?, ?, ?, 0)",
                (key, alone, claim.call_id, run, terms.until, terms.quiesce),
            )
            assert made.lastrowid is not None
            epochs += [made.lastrowid] if alone else []
    return epochs


def count(connection: sqlite3.Connection, call_id: str, run: str | None = None) -> int:
    """How many leases this call has; with `run`: those that process took for it."""
    found = connection.execute(
        "SELECT count(*) FROM lease WHERE call_id = ? AND run = ifnull(?, run)", (call_id, run)
    )
    return int(found.fetchone()[0])


def end(connection: sqlite3.Connection, ends: Mapping[str, int]) -> None:
    """By call, when: a time that is over is now."""
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.executemany(
            "UPDATE lease SET until = min(until, ?) WHERE call_id = ?",
            [(until, call_id) for call_id, until in ends.items() if until],
        )
        connection.executemany(
            "DELETE FROM lease WHERE call_id = ?",
            [(call_id,) for call_id, until in ends.items() if not until],
        )
    finally:
        connection.execute("PRAGMA synchronous = FULL")


# On the event loop:


class Desk(Protocol):
    """Where the connection is: work done there, in turn with the journal's lines."""

    @property
    def sound(self) -> bool:
        """False while the file cannot be written."""
        ...

    @property
    def run(self) -> str: ...

    @property
    def runs_at(self) -> Path: ...

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns. Raises `JournalError`."""
        ...

    def post(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """The same, and nobody waits for it."""
        ...


@dataclass(slots=True)
class _Here:
    """A claim of this process: waiting for its turn, or holding."""

    claim: Claim
    turn: asyncio.Future[None]
    rows: int = 0
    ending: list[asyncio.TimerHandle] = field(default_factory=list)


class SqliteLeases:
    """`ports.Leases` in a journal's file."""

    def __init__(self, desk: Desk, clock: Clock, patience: float = PATIENCE) -> None:
        """`clock`: microseconds since the epoch, read for terms only."""
        self._desk = desk
        self._clock = clock
        self._patience = patience
        self._line: dict[str, _Here] = {}
        """By call, in the order they came: those that hold and those that wait."""
        self._ends: dict[str, int] = {}
        """Leases that are let go and perhaps still in the file. What the disk refuses is tried again."""

    async def take(
        self,
        call_id: str,
        keys: Sequence[str],
        shared: Sequence[str] = (),
        *,
        term: float,
        quiesce: float,
    ) -> tuple[Lease, ...]:
        """See `ports.Leases`."""
        claim = Claim(call_id, tuple(sorted(set(keys))), tuple(sorted(set(shared))))
        here = _Here(claim, asyncio.get_running_loop().create_future())
        assert call_id not in self._line
        self._line[call_id] = here
        self._admit()
        blocker = ""
        try:
            async with asyncio.timeout(self._patience):
                await here.turn
                pause = LOOKS[0]
                while isinstance(epochs := await self._grant(here, term, quiesce), str):
                    blocker = epochs
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LOOKS[1])
        except TimeoutError:
            self.release(call_id)
            who = f" by call {blocker}" if blocker else ""
            raise Refused(Reason.OVERLOADED, f"{', '.join(claim.alone)} is held{who}") from None
        except BaseException:
            self.release(call_id)
            raise
        return tuple(map(Lease, claim.alone, epochs))

    async def held(self, call_id: str) -> bool:
        """See `ports.Leases`."""
        wanted, run = self.claim(call_id).count, self._desk.run
        # An undo that another process took up has the same number, and leases that are not ours.
        return wanted == await self._desk.do(lambda connection: count(connection, call_id, run))

    def claim(self, call_id: str) -> Leased:
        """See `ports.Leases`."""
        here = self._line.get(call_id)
        return Leased(call_id, here.rows if here is not None else NEVER)

    def release(self, call_id: str, after: float = 0.0) -> None:
        """See `ports.Leases`."""
        here = self._line.get(call_id)
        if here is None:
            return
        if after > 0:
            self._end(call_id, self._clock() + int(after * 1e6))
            here.ending.append(asyncio.get_running_loop().call_later(after, self.release, call_id))
            return
        for ending in here.ending:
            ending.cancel()
        del self._line[call_id]
        here.turn.cancel()
        if here.rows:
            self._end(call_id, 0)
        self._admit()

    def _end(self, call_id: str, until: int) -> None:
        self._ends[call_id] = until
        if self._desk.sound:
            self._desk.post(self._ended)

    def _ended(self, connection: sqlite3.Connection) -> None:
        """In the thread that owns the connection."""
        ends = dict(self._ends)
        end(connection, ends)
        for call_id, until in ends.items():
            if self._ends.get(call_id) == until:
                self._ends.pop(call_id, None)

    async def _grant(self, here: _Here, term: float, quiesce: float) -> list[int] | str:
        claim = here.claim

        def work(connection: sqlite3.Connection) -> list[int] | str:
            if self._ends:
                self._ended(connection)
            now = self._clock()
            terms = Terms(now + int(term * 1e6), int(quiesce * 1e6))
            return grant(connection, claim, terms, now, self._desk.run, self._desk.runs_at)

        # Set before: who is cancelled or meets a failing disk may have got them all the same.
        here.rows = len(claim.alone) + len(claim.shared)
        epochs = await self._desk.do(work)
        if isinstance(epochs, str):
            here.rows = 0
        return epochs

    def _admit(self) -> None:
        """Whose turn is it: everybody nobody before them excludes."""
        before: list[Claim] = []
        for here in self._line.values():
            if not here.turn.done() and not any(here.claim.excludes(other) for other in before):
                here.turn.set_result(None)
            before.append(here.claim)
