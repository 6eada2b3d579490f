"""Budgets, taken up a chain of grants: one statement for a batch, every grant of every chain or none.

SQLite has one writer at a time, over all gateway processes: what this statement sees is what is left.
So no process needs a share of a budget in hand, and the sum can never exceed the grant.

`due` is the time from which a call is within the rate again if it came just now (GCRA, the leaky
bucket as one number): a call at `at` is within it when due + step - burst * step <= at.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.core.grant import Spend
from gateway.errors import Refused
from gateway.journals.budgets import Left, places
from gateway.journals.rows import chunks, statement
from gateway.reasons import Reason

# An upsert looks for nothing but a number, and has neither a join nor a sort nor a table of its own, which all
# cost more than the arithmetic. What it saw it tells by `seen`, a function of ours: RETURNING costs as much again.
# FAIL, not ABORT: the caller rolls back whatever is refused, so SQLite need not keep a copy of each page.
_TAKE: Final = "INSERT OR FAIL INTO purse (place, used, writes, bytes, used_at, expires_at, burst, due) VALUES "
_ROW: Final = "(?, ?, ?, ?, ?, -1, 0, 0)"
"""Of a grant that is not there: this row would be made. It is told of by nobody, so it is refused."""
_TAKEN: Final = """
ON CONFLICT (place) DO UPDATE SET
  used = seen(place, used, uses, writes, bytes) + excluded.used, uses = uses - excluded.used,
  writes = writes - excluded.writes, bytes = bytes - excluded.bytes,
  used_at = max(used_at, excluded.used_at),
  due = max(due, excluded.used_at) + excluded.used * coalesce(step, 0)
WHERE """
_FITS: Final[Mapping[str, str]] = {
    "there is no such grant": "purse.expires_at >= 0",
    "it was revoked or completed": "purse.expires_at > 0",
    "it has expired": "purse.expires_at > excluded.used_at",
    "it lay idle too long": "(idle IS NULL OR purse.used_at + idle > excluded.used_at)",
    "no uses are left": "(uses IS NULL OR uses >= excluded.used)",
    "no writes are left": "(purse.writes IS NULL OR purse.writes >= excluded.writes)",
    "not so many bytes are left": "(purse.bytes IS NULL OR purse.bytes >= excluded.bytes)",
    "too many calls in a minute": (
        "(step IS NULL OR max(due, excluded.used_at) + (excluded.used - burst) * step"
        " <= excluded.used_at)"
    ),
}
_OVER: Final = frozenset([*_FITS][:4])
_ALL_FIT: Final = _TAKEN + " AND ".join([*_FITS.values()][2:])
_WHY: Final = (
    "WITH excluded (place, used, writes, bytes, used_at) AS (VALUES (?, ?, ?, ?, ?))"
    " SELECT {fits} FROM purse JOIN excluded USING (place)"
).format(fits=", ".join(_FITS.values()))

WIDTH: Final = 5
"""Of one purse: its place, uses, writes, bytes, the latest moment."""


class _Seen(threading.local):
    """What the statement under way saw, by the thread it runs in."""

    left: dict[int, tuple[int | None, ...]]


_now: Final = _Seen()


def prepare(connection: sqlite3.Connection) -> None:
    """Before the first `take`."""
    connection.create_function("seen", 5, _see)


def _see(place: int, used: int, *left: int | None) -> int:
    _now.left[place] = left
    return used


def take(connection: sqlite3.Connection, spends: Sequence[Spend]) -> Left:
    """All of them, and what was left before. Raises `Refused` (grant_over, grant_spent) when some grant has
    not enough left: others may have been taken then, and the caller rolls back."""
    left = _now.left = {}
    sums = _sums(spends)
    for chunk in chunks(sums, WIDTH):
        connection.execute(statement(_TAKE, _ROW, len(chunk) // WIDTH, _ALL_FIT), chunk)
    if len(left) * WIDTH != len(sums):
        raise _why(connection, sums, left, spends)
    return left


def _sums(spends: Sequence[Spend]) -> list[int]:
    """Row after row, as they are bound: a list of each would cost more than adding up."""
    found, sums = dict[int, int](), list[int]()
    for spend in spends:
        writes, size, at = spend.writes, spend.bytes, spend.at
        for place in places(spend.chain):
            row = found.get(place)
            if row is None:
                found[place] = len(sums)
                sums += (place, 1, writes, size, at)
            else:
                sums[row + 1] += 1
                sums[row + 2] += writes
                sums[row + 3] += size
                sums[row + 4] = max(sums[row + 4], at)
    return sums


def _why(
    connection: sqlite3.Connection, sums: Sequence[int], left: Left, spends: Sequence[Spend]
) -> Refused:
    """Which grant of the chain, and what of it."""
    row = next(at for at in range(0, len(sums), WIDTH) if sums[at] not in left)
    fits = connection.execute(_WHY, sums[row : row + WIDTH]).fetchone()
    why = next(why for why, fit in zip(_FITS, fits, strict=True) if not fit)
    grant = next(
        grant
        for spend in spends
        for grant, place in zip(spend.chain, places(spend.chain), strict=True)
        if place == sums[row]
    )
    reason = Reason.GRANT_OVER if why in _OVER else Reason.GRANT_SPENT
    return Refused(reason, f"grant {grant}: {why}")
