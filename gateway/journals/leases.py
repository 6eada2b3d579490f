"""Who writes what: leases on resources in the journal's database, over all gateway processes that share it.

Within one process callers wait in the order they came; for another process they look again every few
milliseconds, and who has looked for a while is noted in the file: the others would hand what they hold on
among their own for as long as somebody there waits. What is held is a row of the file (leaserows.py).

Leases are taken and ended in the transactions of the journal's lines, and none waits for the disk on its own:
the intent that names an epoch is written to the same log after it, and waits for both.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Final, Protocol, TypeVar

from gateway.core.reverse import Lease, Leased, Taken, Taking
from gateway.errors import JournalError, Refused
from gateway.journals.foreseen import Foreseen
from gateway.journals.leaserows import Claim, Terms, end, grant
from gateway.reasons import Reason

PATIENCE: Final = 30.0
"""Seconds a call waits for its resources."""
LOOKS: Final = (0.005, 0.1)
"""First and longest pause between two looks at another process's leases."""
SLICE: Final = 0.5
"""Seconds one process may hand on among its own what another waits for. Each turn by turn would cost a look each."""
NEVER: Final = -1
"""As many leases as nobody has."""
T = TypeVar("T")
Clock = Callable[[], int]


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

    def expect(self) -> None:
        """Something more will be queued in the next turn of the loop: what is in a hurry waits for it."""
        ...

    def join(
        self, work: Callable[[sqlite3.Connection], T], hurried: bool = True
    ) -> asyncio.Future[T]:
        """The same, in the transaction of the lines queued with it. `hurried`: somebody waits. Raises
        `JournalError`, as the future does."""
        ...


@dataclass(slots=True)
class _Here:
    """A claim of this process: waiting for its turn, or holding."""

    claim: Claim
    turn: asyncio.Future[bool] | None = None
    """False: it will have none. None: it has not had to wait."""
    behind: str = ""
    """The call it waits for."""
    rows: int = 0
    ending: list[asyncio.TimerHandle] = field(default_factory=list)


class SqliteLeases:
    """`lease_ports.Leases` in a journal's file. One for all calls of its process, which it excludes from each other."""

    def __init__(self, desk: Desk, clock: Clock, patience: float) -> None:
        """`clock`: microseconds since the epoch, read for terms only."""
        self._desk = desk
        self._clock = clock
        self._patience = patience
        self._runs_at = desk.runs_at
        self._given_up = False
        self._line: dict[str, _Here] = {}
        """By call, in the order they came: those that hold and those that wait."""
        self._foreseen = Foreseen()
        self._ends: dict[str, int] = {}
        """Leases that are let go and perhaps still in the file. What the disk refuses is tried again."""
        self._going = set[str]()
        """Whose are on their way out of it."""

    async def take(
        self,
        call_id: str,
        keys: Sequence[str],
        shared: Sequence[str] = (),
        *,
        term: float,
        quiesce: float,
    ) -> tuple[Lease, ...]:
        """See `lease_ports.Leases`."""
        claim = Claim(call_id, tuple(sorted(set(keys))), tuple(sorted(set(shared))))
        return (await self._taken(claim, term, quiesce)).leases

    async def take_one(self, call_id: str, key: str, *, term: float, quiesce: float) -> Taken:
        """See `lease_ports.Leases`."""
        return await self._taken(Claim(call_id, (key,), ()), term, quiesce, late=True)

    def at_once(self, call_id: str, key: str, *, term: float, quiesce: float) -> Taken | None:
        """See `lease_ports.Leases`."""
        claim = Claim(call_id, (key,), ())
        if not self._may_foresee(call_id) or any(
            claim.excludes(each.claim) for each in self._line.values()
        ):
            return None
        self._line[call_id] = here = _Here(claim)
        return self._taking(here, term, quiesce)

    def _may_foresee(self, call_id: str) -> bool:
        """Not for a call that lets go of something just now, as one that was held and is sent: lines come before
        what they are written with, so it would lose what its intent takes."""
        return self._foreseen.sure and call_id not in self._ends and call_id not in self._going

    def _taking(self, here: _Here, term: float, quiesce: float) -> Taken:
        """Its one resource, with its intent."""
        [key], terms = here.claim.alone, self._terms(term, quiesce)
        lease, here.rows = Lease(key, self._foreseen.take()), 1
        claim = Taking(here.claim.call_id, lease, self._desk.run, terms.until, terms.quiesce)
        return Taken((lease,), (claim,))

    async def _taken(self, claim: Claim, term: float, quiesce: float, late: bool = False) -> Taken:
        """`late`: with its intent, if that can be."""
        call_id = claim.call_id
        if call_id in self._line:
            self._anew(claim)
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._line[call_id] = here = _Here(claim, turn)
        self._place(here)
        blocker = ""
        try:
            async with asyncio.timeout(self._patience):
                if not await turn:
                    raise TimeoutError
                if late and self._may_foresee(call_id):
                    return self._taking(here, term, quiesce)
                pause, waited = LOOKS[0], 0.0
                while isinstance(epochs := await self._grant(here, term, quiesce, waited), str):
                    blocker = epochs
                    if self._given_up:
                        raise TimeoutError
                    await asyncio.sleep(pause)
                    pause, waited = min(pause * 2, LOOKS[1]), waited + pause
        except TimeoutError:
            self.release(call_id)
            who = f" by call {blocker}" if blocker else ""
            why = ", and this gateway stops" if self._given_up else ""
            raise Refused(
                Reason.OVERLOADED, f"{', '.join(claim.alone)} is held{who}{why}"
            ) from None
        except BaseException:
            self.release(call_id)
            raise
        return Taken(tuple(map(Lease, claim.alone, epochs)))

    def _anew(self, claim: Claim) -> None:
        """It was to have them with its intent, or still has what it let go for later. That goes when it is given them
        again, and who waits for the same waits on."""
        before = self._line[claim.call_id]
        self._foreseen.wrong()
        if before.claim != claim:
            self.release(claim.call_id)
            return
        for ending in before.ending:
            ending.cancel()
        self._ends[claim.call_id] = 0

    def give_up(self) -> None:
        """The process is about to stop: whoever still waits is refused while there is time to say so, and so is
        whoever would have to wait from now on. Who holds goes on."""
        self._given_up = True
        for here in self._line.values():
            self._place(here)

    def claim(self, call_id: str) -> Leased:
        """See `lease_ports.Leases`."""
        here = self._line.get(call_id)
        return Leased(call_id, here.rows if here is not None else NEVER, self._desk.run)

    def release(self, call_id: str, after: float = 0.0) -> None:
        """See `lease_ports.Leases`."""
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
        if here.turn is not None:
            here.turn.cancel()
        if here.rows:
            self._end(call_id, 0)
        for other in self._line.values():
            if other.behind == call_id:
                self._place(other)
                if not other.behind:
                    self._desk.expect()

    def _end(self, call_id: str, until: int) -> None:
        self._ends[call_id] = until
        if self._desk.sound:
            with suppress(JournalError):
                self._join(lambda connection: None, hurried=False)

    def _join(self, work: Callable[[sqlite3.Connection], T], hurried: bool) -> asyncio.Future[T]:
        """The work, when what is to be ended by now has been: what is let go later may have a line that rests on
        it in a later transaction."""
        ends, self._ends = self._ends, {}

        def ended(connection: sqlite3.Connection) -> T:
            end(connection, ends)
            return work(connection)

        def told(done: asyncio.Future[T]) -> None:
            self._going.difference_update(ends)
            if done.cancelled() or done.exception() is not None:
                again()

        def again() -> None:
            # Unless something else is to become of it meanwhile.
            self._ends = {**ends, **self._ends}

        try:
            done = self._desk.join(ended, hurried)
        except JournalError:
            again()
            raise
        self._going.update(ends)
        done.add_done_callback(told)
        return done

    async def _grant(
        self, here: _Here, term: float, quiesce: float, waited: float
    ) -> list[int] | str:
        claim, waits = here.claim, waited > SLICE

        def work(connection: sqlite3.Connection) -> list[int] | str:
            now, terms = self._clock(), self._terms(term, quiesce)
            noted = Terms(now + int(self._patience * 1e6), 0) if waits else None
            return grant(connection, claim, terms, now, self._desk.run, self._runs_at, noted)

        # Set before: who is cancelled or meets a failing disk may have got them all the same.
        here.rows = len(claim.alone) + len(claim.shared)
        # Shielded: what comes of it is told also when nobody waits for it any more.
        joined = self._join(work, hurried=True)
        self._foreseen.asked()
        joined.add_done_callback(partial(self._given, here.rows))
        epochs = await asyncio.shield(joined)
        if isinstance(epochs, str) and not waits:
            here.rows = 0
        return epochs

    def _given(self, rows: int, done: asyncio.Future[list[int] | str]) -> None:
        epochs = "" if done.cancelled() or done.exception() else done.result()
        self._foreseen.given([] if isinstance(epochs, str) else epochs, rows)

    def _terms(self, term: float, quiesce: float) -> Terms:
        return Terms(self._clock() + int(term * 1e6), int(quiesce * 1e6))

    def _place(self, here: _Here) -> None:
        """Is it its turn? It is when nobody before it excludes it. Until then it stands behind the last who does,
        and is placed anew when that one goes: of many who want the same, one."""
        before = [*takewhile(lambda other: other is not here, self._line.values())]
        excluding = (each for each in reversed(before) if here.claim.excludes(each.claim))
        here.behind = next((each.claim.call_id for each in excluding), "")
        if here.turn is not None and not here.turn.done() and (self._given_up or not here.behind):
            here.turn.set_result(not here.behind)
