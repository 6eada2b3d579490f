"""Budgets, taken up a chain of grants: one statement for a batch, every grant of every chain or none.

SQLite has one writer at a time, over all gateway processes: what this statement sees is what is left.
So no process needs a share of a budget in hand, and the sum can never exceed the grant.

`due` is the time from which a call is within the rate again if it came just now (GCRA, the leaky
bucket as one number): a call at `at` is within it when due + step - burst * step <= at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from gateway.core.grant import Spend
from gateway.errors import Refused
from gateway.journals.budgets import IN, Left, place
from gateway.reasons import Reason

_TAKE: Final = """
UPDATE purse SET used = used + v.column2, uses = uses - v.column2, writes = writes - v.column3,
  bytes = bytes - v.column4, used_at = max(used_at, v.column5),
  due = max(due, v.column5) + v.column2 * coalesce(step, 0)
FROM (VALUES {rows}) AS v WHERE purse.place = v.column1 AND {fits}
RETURNING place, uses, writes, bytes"""
_FITS: Final[Mapping[str, str]] = {
    "it was revoked or completed": "state = 'active'",
    "it has expired": "expires_at > v.column5",
    "it lay idle too long": "(idle IS NULL OR used_at + idle > v.column5)",
    "no uses are left": "(uses IS NULL OR uses >= v.column2)",
    "no writes are left": "(writes IS NULL OR writes >= v.column3)",
    "not so many bytes are left": "(bytes IS NULL OR bytes >= v.column4)",
    "too many calls in a minute": (
        "(step IS NULL OR max(due, v.column5) + (v.column2 - burst) * step <= v.column5)"
    ),
}
_OVER: Final = frozenset(list(_FITS)[:3])
_ALL_FIT: Final = " AND ".join(_FITS.values())


def take(connection: sqlite3.Connection, spends: Sequence[Spend]) -> Left:
    """All of them, and what is left then. Raises `Refused` (grant_over, grant_spent) when some grant has
    not enough left."""
    sums = _sums(spends)
    values = [value for row in sums for value in row]
    left = connection.execute(_statement(len(sums)), values).fetchall()
    if len(left) != len(sums):
        raise _why(connection, sums)
    return {place: tuple(rest) for place, *rest in left}


@lru_cache(maxsize=64)
def _statement(count: int) -> str:
    return _TAKE.format(rows=", ".join(["(?, ?, ?, ?, ?)"] * count), fits=_ALL_FIT)


def _sums(spends: Sequence[Spend]) -> list[tuple[str, int, int, int, int]]:
    """Per grant: its place, uses, writes, bytes, the latest moment."""
    sums: dict[str, tuple[str, int, int, int, int]] = {}
    for spend in spends:
        for grant in spend.chain:
            one = place(spend.chain[-1], grant)
            _, uses, writes, size, at = sums.get(one, (one, 0, 0, 0, 0))
            sums[one] = (
                one,
                uses + 1,
                writes + spend.writes,
                size + spend.bytes,
                max(at, spend.at),
            )
    return list(sums.values())


def _why(connection: sqlite3.Connection, sums: Sequence[tuple[Any, ...]]) -> Refused:
    """Which grant of the chain, and what of it."""
    for row in sums:
        for why, fits in _FITS.items():
            found = connection.execute(
                f"SELECT {fits} FROM purse, (VALUES (?, ?, ?, ?, ?)) AS v WHERE place = v.column1",
                row,
            ).fetchone()
            if found is None or not found[0]:
                reason = Reason.GRANT_OVER if why in _OVER else Reason.GRANT_SPENT
                return Refused(reason, f"grant {row[0].partition(IN)[2]}: {why}")
    return Refused(Reason.GRANT_OVER, "a grant is gone")
