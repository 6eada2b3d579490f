"""The ledger against a model of it: any spends in any batches by two processes, folded and reopened at any time.

No spend is lost, none is counted twice, no budget is overdrawn, and both processes and their readers always agree.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core import record
from gateway.core.grant import End, Give, Grant, Limit, Spend
from gateway.core.record import Claim, Line
from gateway.errors import Refused
from gateway.journals import ledger
from gateway.journals.sqlite import SqliteJournal
from gateway.values import replace
from tests.grants.given import NOON, SECOND, grant
from tests.journals.calls import call_record, intent

LIMIT = st.none() | st.integers(0, 9)
PROCESSES = st.integers(0, 1)
CALLS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 1), st.integers(0, 4), st.integers(0, 8)),
    min_size=1,
    max_size=6,
)


class Modelled:
    """What is left of one grant, by subtraction from what was given."""

    def __init__(self, given: Grant, chain: list[str]) -> None:
        self.given = given
        self.chain = chain
        self.state = "active"
        self.taken = [0, 0, 0]
        self.used_at = NOON

    @property
    def left(self) -> tuple[Limit, ...]:
        terms = self.given.terms
        limits = terms.uses, terms.writes, terms.bytes
        return tuple(
            None if limit is None else limit - taken
            for limit, taken in zip(limits, self.taken, strict=True)
        )

    def has(self, share: tuple[int, int, int], at: int) -> bool:
        idle = self.given.terms.idle
        if self.state != "active" or (idle is not None and self.used_at + idle * SECOND <= at):
            return False
        return all(
            left is None or left >= part for left, part in zip(self.left, share, strict=True)
        )


class LedgerAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.place = Path(tempfile.mkdtemp())
        self.path = self.place / "journal.db"
        self.journals = [self._run(SqliteJournal.open(self.path)) for _ in range(2)]
        self.stores = [journal.grants() for journal in self.journals]
        self.numbers = count()
        self.grants: dict[str, Modelled] = {}
        self.small = [patch.multiple(ledger, LINES=10**6)]

    @initialize(lines=st.integers(1, 12), most=st.integers(1, 6), alert=st.integers(0, 3))
    def with_small_numbers(self, lines: int, most: int, alert: int) -> None:
        self.small = [patch.multiple(ledger, LINES=lines, MOST=most, ALERT=alert)]
        self.small[0].start()
        self.give(0, 0, (9, None, None), None)

    def teardown(self) -> None:
        self.small[0].stop()
        for store, journal in zip(self.stores, self.journals, strict=True):
            store.close()
            self._run(journal.aclose())
        self.loop.close()
        shutil.rmtree(self.place)

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    @rule(
        process=PROCESSES,
        parent=st.integers(0, 5),
        limits=st.tuples(LIMIT, LIMIT, LIMIT),
        idle=st.none() | st.integers(2, 6),
    )
    def give(self, process: int, parent: int, limits: tuple[Limit, ...], idle: Limit) -> None:
        above = self._named(parent) if parent and self.grants else None
        uses, writes, size = limits
        given = grant(
            f"g{len(self.grants)}",
            above.given if above else None,
            uses=uses,
            writes=writes,
            bytes=size,
            idle=idle,
        )
        [done] = self._write(process, [(Give(given),)])
        assert done is (above is None or above.state == "active")
        if done:
            chain = [given.id, *(above.chain if above else ())]
            self.grants[given.id] = Modelled(given, chain)

    @rule(process=PROCESSES, which=st.integers(0, 5))
    def end(self, process: int, which: int) -> None:
        one = self._named(which)
        [done] = self._write(process, [(End(one.given.id, "revoked", ""),)])
        assert done is (one.state == "active")
        for other in self.grants.values():
            if done and one.given.id in other.chain:
                other.state = "revoked"

    @rule(process=PROCESSES, calls=CALLS)
    def spend(self, process: int, calls: list[tuple[int, int, int, int]]) -> None:
        """Each line takes its share or is refused, in their order, whatever becomes of those beside it."""
        claims = [
            (Spend(tuple(self._named(which).chain), writes, size, NOON + at * SECOND),)
            for which, writes, size, at in calls
        ]
        for done, (spend,) in zip(self._write(process, claims), claims, strict=True):
            chain = [self.grants[one] for one in spend.chain]
            share = 1, spend.writes, spend.bytes
            assert done is all(one.has(share, spend.at) for one in chain)
            for one in chain if done else ():
                one.taken = [had + part for had, part in zip(one.taken, share, strict=True)]
                one.used_at = max(one.used_at, spend.at)

    @rule(process=PROCESSES)
    def write_something_else(self, process: int) -> None:
        assert self._write(process, [()]) == [True]

    @rule(process=PROCESSES)
    def reopen(self, process: int) -> None:
        self.stores[process].close()
        self._run(self.journals[process].aclose())
        self.journals[process] = self._run(SqliteJournal.open(self.path))
        self.stores[process] = self.journals[process].grants()

    @rule(process=PROCESSES)
    def look(self, process: int) -> None:
        """A reader goes on from what it saw last, or from nothing."""
        self._compare(self.stores[process])

    @invariant()
    def the_file_says_what_the_model_says(self) -> None:
        store = self.journals[0].grants()
        self._compare(store)
        store.close()

    def _compare(self, store: Any) -> None:
        for name, one in self.grants.items():
            found = store.find(name)
            assert (found.state, found.used, found.used_at) == (
                one.state,
                one.taken[0],
                one.used_at,
            )
            assert (found.uses, found.writes, found.bytes) == one.left
            assert all(left is None or left >= 0 for left in one.left)

    def _named(self, which: int) -> Modelled:
        """One of the newest."""
        names = [*self.grants][-4:]
        return self.grants[names[which % len(names)]]

    def _write(self, process: int, claims: Sequence[tuple[Claim, ...]]) -> list[bool]:
        """As one batch; which of the lines were written."""
        return list(self._run(self._sealed(self.journals[process], claims)))

    async def _sealed(
        self, journal: SqliteJournal, claims: Sequence[tuple[Claim, ...]]
    ) -> list[bool]:
        lines = [self._line(some) for some in claims]
        pending = [journal.append(line) for line in lines]
        said = await asyncio.gather(*(each.sealed() for each in pending), return_exceptions=True)
        assert all(isinstance(one, Refused | record.Sealed) for one in said), said
        return [isinstance(one, record.Sealed) for one in said]

    def _line(self, claims: tuple[Claim, ...]) -> Line:
        name = f"call-{next(self.numbers)}"
        if any(isinstance(claim, Give | End) for claim in claims):
            return record.noted(call_record(name), NOON, {}, claims)
        return replace(intent(name), claims=claims)


TestLedgerAgainstModel = LedgerAgainstModel.TestCase
TestLedgerAgainstModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
