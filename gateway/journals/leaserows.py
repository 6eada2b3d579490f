"""Leases as rows of the journal's file: given, looked for, ended. All within a transaction of the caller's.

A row is a held lease, its key the epoch: one counter for all resources, only ever growing, so that
two writes anywhere have an order. No clock decides who is alive: a process is, as long as its run's
lock is held (runs.py). It knows no event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.core.reverse import Leased, Taking, overlaps
from gateway.errors import Refused
from gateway.journals import runs
from gateway.journals.rows import flat, statement
from gateway.reasons import Reason
from gateway.values import Value

_INTO: Final = "INSERT INTO lease (key, alone, call_id, run, until, quiesce, orphan) "
_ROW: Final = "(?, ?, ?, ?, ?, ?, 0)"
_UNDISTURBED: Final = ") WHERE NOT EXISTS (SELECT 1 FROM lease WHERE run <> ? OR until <= ?)"
_FORESEEN: Final = (
    "INSERT INTO lease (key, epoch, alone, call_id, run, until, quiesce, orphan) SELECT ?1, ?2, 1, ?3, ?4, ?5, ?6, 0"
    " WHERE ?2 > (SELECT seq FROM sqlite_sequence WHERE name = 'lease')"
    " AND NOT EXISTS (SELECT 1 FROM lease WHERE run <> ?4)"
)
_WAITS: Final = 2
"""Added to `alone` where a row holds nothing and waits: who comes later is not to have it before."""
FEW: Final = 8
"""Rows that are put in with one statement: there is one for each number of them."""


class Claim(Value):
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


class Terms(Value):
    """When a lease ends by itself. Microseconds."""

    until: int
    quiesce: int
    """From the end of its gateway process: its tool server may still be at it."""


def grant(
    connection: sqlite3.Connection,
    claim: Claim,
    terms: Terms,
    now: int,
    run: str,
    runs_at: Path,
    waits: Terms | None = None,
) -> list[int] | str:
    """The epochs of `claim.alone`, or the call that is in the way. `waits`: given once it has waited for long, so
    that its place is kept and nobody who comes later has the resources before it; `end` gives up the place, too.

    The caller excludes the calls of its own process from each other: where the rows of no other process are
    there, nobody can be in the way."""
    if waits is None:
        epochs = _insert_undisturbed(connection, claim, terms, now, run)
        if epochs is not None:
            return epochs
    _expire(connection, now, runs_at)
    blocker, waiting = _in_the_way(connection, claim)
    if blocker:
        if waits is not None and not waiting:
            _insert(connection, claim, waits, run, _WAITS)
        return blocker
    if waiting:
        connection.execute(
            "DELETE FROM lease WHERE call_id = ? AND alone >= ?", (claim.call_id, _WAITS)
        )
    # An undo taken up by another process has its number still, and what the dead one held.
    connection.execute("DELETE FROM lease WHERE call_id = ? AND orphan = 1", (claim.call_id,))
    return _insert(connection, claim, terms, run)


def _expire(connection: sqlite3.Connection, now: int, runs_at: Path) -> None:
    """Terms that are over; and those of a process that has ended begin to run out."""
    connection.execute("DELETE FROM lease WHERE until <= ?", (now,))
    held = connection.execute("SELECT DISTINCT run FROM lease WHERE orphan = 0").fetchall()
    for run in (run for (run,) in held if runs.is_gone(runs_at, run)):
        connection.execute(
            "UPDATE lease SET orphan = 1, until = min(until, ? + quiesce) WHERE run = ?", (now, run)
        )


def _in_the_way(connection: sqlite3.Connection, claim: Claim) -> tuple[str, bool]:
    """Which call is, and whether rows of this one wait."""
    blocker, waiting = "", False
    rows = connection.execute("SELECT call_id, key, alone FROM lease ORDER BY epoch")
    for call_id, key, alone in rows:
        waits = alone >= _WAITS
        if call_id == claim.call_id:
            waiting = waiting or waits
        elif not blocker and not (waits and waiting):
            theirs = Claim(call_id, (key,), ()) if alone % _WAITS else Claim(call_id, (), (key,))
            blocker = str(call_id) if claim.excludes(theirs) else ""
    return blocker, waiting


def _insert_undisturbed(
    connection: sqlite3.Connection, claim: Claim, terms: Terms, now: int, run: str
) -> list[int] | None:
    """The same in one statement, for the everyday call; None if a row of another process is there, or one whose
    term is over."""
    rows = _rows(claim, terms, run)
    if not 0 < len(rows) <= FEW:
        return None
    sql = statement(_INTO + "SELECT * FROM (VALUES ", _ROW, len(rows), _UNDISTURBED)
    made = connection.execute(sql, (*flat(rows), run, now))
    if not made.rowcount:
        return None
    assert made.lastrowid is not None
    # Rows of one statement get consecutive numbers, in their order.
    first = made.lastrowid - len(rows) + 1
    return [*range(first, first + len(claim.alone))]


def _insert(
    connection: sqlite3.Connection, claim: Claim, terms: Terms, run: str, more: int = 0
) -> list[int]:
    epochs = []
    for key, alone, *rest in _rows(claim, terms, run):
        made = connection.execute(f"{_INTO}VALUES {_ROW}", (key, int(alone) + more, *rest))
        assert made.lastrowid is not None
        epochs.append(made.lastrowid)
    return epochs[: len(claim.alone)]


def _rows(claim: Claim, terms: Terms, run: str) -> list[tuple[str | int, ...]]:
    """Those alone first."""
    rest = (claim.call_id, run, terms.until, terms.quiesce)
    alone: list[tuple[str | int, ...]] = [(key, 1, *rest) for key in claim.alone]
    return alone + [(key, 0, *rest) for key in claim.shared]


def count(connection: sqlite3.Connection, call_id: str, run: str) -> int:
    """How many leases this process took for that call, and still has."""
    found = connection.execute(
        "SELECT count(*) FROM lease WHERE call_id = ? AND run = ? AND alone < ?",
        (call_id, run, _WAITS),
    )
    return int(found.fetchone()[0])


def take(connection: sqlite3.Connection, claims: Sequence[Leased]) -> None:
    """In the commit of the lines that rest on them, so that nobody can have come in between. Raises `Refused` when a
    call has lost one."""
    for claim in claims:
        if count(connection, claim.call_id, claim.run) != claim.count:
            raise Refused(Reason.OVERLOADED, f"the leases of call {claim.call_id} have ended")


def give(connection: sqlite3.Connection, claims: Sequence[Taking]) -> None:
    """In the commit of the intents that name their numbers. Numbers that are passed over are given to nobody. Raises
    `Refused` when one has been given, or another process has or waits for anything."""
    for claim in claims:
        lease = claim.lease
        row = (lease.key, lease.epoch, claim.call_id, claim.run, claim.until, claim.quiesce)
        if not connection.execute(_FORESEEN, row).rowcount:
            raise Refused(Reason.OVERLOADED, f"{lease.key} may be held by another process")


def end(connection: sqlite3.Connection, ends: Mapping[str, int]) -> None:
    """By call, when: a time that is over is now."""
    for call_id, until in ends.items():
        if until:
            sql = "UPDATE lease SET until = min(until, ?) WHERE call_id = ?"
            connection.execute(sql, (until, call_id))
        else:
            connection.execute("DELETE FROM lease WHERE call_id = ?", (call_id,))
