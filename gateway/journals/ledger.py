"""What is left of every grant, in memory: what the file says, taken on by every line that spends.

A spend is durable in its own line and nowhere else (`event.spent`). The table `purses` is as of the line named in
`folded`, and this is what the lines since make of it: a memory that can be thrown away at any moment and made again.
SQLite has one writer at a time over all gateway processes, and none spends before it has read what the others have
written. So no process needs a share of a budget in hand, and the sum can never exceed the grant.

It belongs to one connection, whose transactions it begins and ends. A reader only catches up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.core.grant import Spend
from gateway.core.purse import NO_GRANT, NO_USES, TOO_SOON, Before, Purse
from gateway.errors import Refused
from gateway.journals import budgets
from gateway.journals.budgets import Bill, read
from gateway.reasons import Reason

LINES: Final = 16_384
"""After so many the purses are folded into their table. Fewer cost more, when many grants are used by turns; more
take whoever opens the file longer to read."""
MOST: Final = 32_768
"""Purses that are kept when they are folded; of more, none."""
ALERT: Final = 256
"""Transactions that begin with a look at what others have written, after somebody else has."""

_SINCE: Final = "SELECT seq, spent, call_id FROM event WHERE seq > ? ORDER BY seq"
_STAND: Final = 'SELECT seq, (SELECT coalesce(max(rev), 0) FROM "grant") FROM folded'
_ENDED: Final = "SELECT purse FROM \"grant\" WHERE rev > ? AND state <> 'active'"
_LOAD: Final = (
    "SELECT expires_at, idle, used_at, used, uses, writes, bytes, step, burst, due"
    " FROM purses WHERE place = ?"
)
_FOLD: Final = "UPDATE purses SET used_at = ?, used = ?, uses = ?, writes = ?, bytes = ?, due = ? WHERE place = ?"
_USED_UP: Final = (
    'UPDATE "grant" SET rev = (SELECT max(rev) + 1 FROM "grant"), said = ? WHERE id = ?'
)
"""So that whoever follows the grants hears of it: the purses in the file are of some time ago."""


Since = Sequence[tuple[int, str, str]]
"""Lines that were written since the last one that was seen: number, what is spent, call."""


class _Share(NamedTuple):
    """One grant of a chain."""

    grant: str
    place: int
    purse: Purse
    form: str


class Ledger:
    """The purses, and the transaction in which they are spent from."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.cursor = connection.cursor()
        """For what every transaction says: a new one each time costs more than the saying."""
        self._seq = -1
        """The last line that is in the purses; -1: not even the table was looked at."""
        self._latest = 0
        """The last line this process has written."""
        self._folded = 0
        self._rev = 0
        self._purses: dict[int, Purse] = {}
        """Law: every purse that a line after `_folded` has touched is in it."""
        self._touched: set[int] = set()
        """By lines after `_folded`."""
        self._chains: dict[tuple[str, ...], tuple[tuple[_Share, ...], str]] = {}
        """Their purses, and how their places are written."""
        self._undo: list[tuple[int, Before | None]] = []
        """What was where, before each change of this transaction; None: nothing, the grant is given in it."""
        self._alert = 0
        """How many of the next transactions begin with a look. One without is as good when nobody has written in
        between, which the number of its first line tells; else it is done again."""

    def begin(self, sure: bool) -> Since | None:
        """A transaction, and as `catch_up`. `sure`: the purses are as of now. If not, ask `is_current` before it is
        committed."""
        self.cursor.execute("BEGIN IMMEDIATE")
        if sure or self._alert > 0 or self._seq < 0 or self._is_due():
            self._alert -= 1
            return self.catch_up()
        return ()

    @property
    def upcoming(self) -> int:
        """The number of the next line, if all lines there are were seen."""
        return self._seq + 1

    def is_current(self, first: int) -> bool:
        """Nobody else had written anything that was not seen when the first line of the transaction was."""
        return first == self.upcoming

    def commit(self, seqs: Sequence[int]) -> None:
        """Durable on return. `seqs`: of the lines that were written. After an error the ledger is of no use any
        more, as its connection is."""
        if self._undo:
            self._touched.update([place for place, was in self._undo if was is not None])
            self._undo.clear()
        if seqs:
            self._latest = seqs[-1]
            if self.is_current(seqs[0]):
                self._seq = self._latest
                if self._is_due():
                    self.fold()
        self.cursor.execute("COMMIT")

    def roll_back(self) -> None:
        """Nothing of the transaction happened."""
        self.cursor.execute("ROLLBACK")
        self.back_to(0)

    def mark(self) -> int:
        """A place to go back to within the transaction."""
        return len(self._undo)

    def back_to(self, mark: int) -> None:
        """The purses as they were there."""
        while len(self._undo) > mark:
            place, was = self._undo.pop()
            if was is not None:
                self._purses[place].put_back(was)
            elif self._purses.pop(place, None) is not None:
                self._chains.clear()

    def catch_up(self) -> Since | None:
        """What was written since, by whatever process; None when it cannot be told any more. In a transaction, before
        anything is written in it."""
        rows, known = self._since(), self._seq >= 0
        if not rows and known:
            return rows
        folded, rev = self.connection.execute(_STAND).fetchone()
        if folded > self._seq:
            # The table is ahead of this memory: begin anew from there.
            self._forget()
            self._touched.clear()
            self._seq, known = folded, False
            rows = self._since()
        elif rev > self._rev:
            for (place,) in self.connection.execute(_ENDED, (self._rev,)).fetchall():
                if place in self._purses:
                    self._purses[place].end()
        self._folded, self._rev = folded, rev
        if rows:
            self._alert = ALERT
        for seq, spent, _ in rows:
            if spent:
                self._replay(spent)
            self._seq = seq
        return rows if known else None

    def take(self, spends: Sequence[Spend]) -> list[Bill]:
        """All of them, in order. Raises `Refused` (grant_over, grant_spent) when some grant has not enough left:
        others may have been taken then, and the caller goes back."""
        return [self._take(spend) for spend in spends]

    def find(self, place: int) -> Purse | None:
        """One purse, as it is now."""
        found = self._purses.get(place)
        if found is None:
            row = self.connection.execute(_LOAD, (place,)).fetchone()
            found = Purse(*row) if row else None
            if found is not None:
                self._purses[place] = found
        return found

    def known(self, place: int) -> Purse | None:
        """The purse as it is now, if the table may be behind of it."""
        return self._purses.get(place)

    def given(self, place: int) -> None:
        """A new purse is in the table."""
        self._undo.append((place, None))

    def end(self, place: int) -> None:
        """Nothing can be taken from this purse any more."""
        self.connection.execute("UPDATE purses SET expires_at = 0 WHERE place = ?", (place,))
        purse = self._purses.get(place)
        if purse is not None:
            self._undo.append((place, purse.end()))

    def fold(self) -> None:
        """The table is as this memory. At the end of a transaction."""
        places = sorted(self._touched)
        self.connection.executemany(
            _FOLD,
            [
                (one.used_at, one.used, one.uses, one.writes, one.bytes, one.due, place)
                for place, one in zip(places, map(self._purses.__getitem__, places), strict=True)
            ],
        )
        self.connection.execute("UPDATE folded SET seq = ?", (self._seq,))
        self._folded = self._seq
        self._touched.clear()
        if len(self._purses) > MOST:
            self._forget()

    def _take(self, spend: Spend) -> Bill:
        writes, size, at = spend.writes, spend.bytes, spend.at
        told: list[str] = []
        shares, spelt = self._chains.get(spend.chain) or self._linked(spend.chain)
        for grant, place, purse, form in shares:
            was = purse.take(writes, size, at)
            if isinstance(was, str):
                reason = Reason.GRANT_OVER if purse.over(at) else Reason.GRANT_SPENT
                raise Refused(reason, f"grant {grant}: {was}", too_soon=was == TOO_SOON)
            self._undo.append((place, was))
            if purse.uses == 0:
                self.connection.execute(_USED_UP, (NO_USES, grant))
            if form:
                told.append(form % (was[4] + (purse.uses, purse.writes, purse.bytes)))
        return ",".join(told), f"{writes} {size} {at} {spelt}"

    def _linked(self, chain: tuple[str, ...]) -> tuple[tuple[_Share, ...], str]:
        """Raises `Refused` (grant_over)."""
        shares, places = list[_Share](), budgets.places(chain)
        for grant, place in zip(chain, places, strict=True):
            purse = self.find(place)
            if purse is None:
                raise Refused(Reason.GRANT_OVER, f"grant {grant}: {NO_GRANT}")
            shares.append(_Share(grant, place, purse, budgets.form(grant, purse.left)))
        linked = self._chains[chain] = tuple(shares), " ".join(map(str, places))
        return linked

    def _replay(self, spent: str) -> None:
        for writes, size, at, *places in read(spent):
            for place in places:
                purse = self.find(place)
                if purse is None:
                    raise sqlite3.DatabaseError(f"purse {place} was spent from and is gone")
                purse.take(writes, size, at, again=True)
                self._touched.add(place)

    def _since(self) -> Since:
        if self._seq < 0:
            return []
        return self.connection.execute(_SINCE, (self._seq,)).fetchall()

    def _is_due(self) -> bool:
        return self._latest - self._folded >= LINES or len(self._purses) > MOST

    def _forget(self) -> None:
        """What the table says is asked for again."""
        self._purses.clear()
        self._chains.clear()
