"""A journal in memory, for tests and certifications: the same port, nothing durable, everything remembered.

It can be told to hold lines back unsealed or to be broken, so that the laws around a journal can be
tested without a disk.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.approval import Leave, Word
from gateway.core.record import UNSETTLED, IllegalMove, Line, State, move, outcome
from gateway.errors import JournalError, Refused
from gateway.journals import form
from gateway.journals.entry import Entry
from gateway.journals.opencalls import OpenCalls
from gateway.ports import MIN_PREFIX, CallFilter, CallRow, EventRow, Pending
from gateway.reasons import Reason

LOST = "the journal that held its intent was closed before an outcome was recorded"


@dataclass
class Kept:
    """A call and its lines."""

    run: int
    state: State
    lines: list[EventRow]


@dataclass
class Memory:
    """What several journals and readers share, as they would share a file."""

    events: list[EventRow] = field(default_factory=list)
    calls: dict[str, Kept] = field(default_factory=dict)
    live_runs: set[int] = field(default_factory=set)
    runs_begun: int = 0

    def begin(self) -> int:
        """A new run's number."""
        self.runs_begun += 1
        self.live_runs.add(self.runs_begun)
        return self.runs_begun

    def write(self, line: Line, body: bytes, run: int) -> int | str | Refused:
        """The line's sequence number, or why it may not follow."""
        call = self.calls.get(line.call_id)
        try:
            move(call.state if call else None, line.kind)
            if (call is None) is not (line.record is not None):
                raise IllegalMove("the first line has the record, and no other")
        except IllegalMove as error:
            return f"call {line.call_id}: IllegalMove: {error}"
        if any(isinstance(claim, Leave | Word) for claim in line.claims):
            return Refused(Reason.APPROVAL_NEEDED, "no tickets are kept in memory")
        event = EventRow(len(self.events) + 1, line.call_id, line.kind, line.at, body)
        self.events.append(event)
        if call is None:
            self.calls[line.call_id] = Kept(run, line.kind, [event])
        else:
            call.state = line.kind
            call.run = run if line.kind is State.INTENT else call.run
            call.lines.append(event)
        return event.seq


class MemoryJournal:
    """`ports.Journal` that remembers. `broken`: set it to a sentence and every new line is refused with it."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory if memory is not None else Memory()
        self.broken: str | None = None
        self._run = self.memory.begin()
        self._open_calls = OpenCalls()
        self._waiting: list[Entry] = []
        self._holding = False
        self._closed = False

    @property
    def sound(self) -> bool:
        """See `ports.Journal`."""
        return self.broken is None

    def append(self, line: Line) -> Pending:
        """Queue one line. Raises `JournalError` when broken or closed, `IllegalMove` for one that cannot follow."""
        self._check()
        body = form.encode(line, f"memory-{self._run}").decode()
        self._open_calls.take(line)
        entry = Entry(line, body)
        self._waiting.append(entry)
        if not self._holding:
            self._seal()
        return entry

    async def recover(self) -> Sequence[str]:
        """Settle as in_doubt every intent whose journal is closed. Returns their call ids."""
        self._check()
        lost = [
            call_id
            for call_id, call in self.memory.calls.items()
            if call.state is State.INTENT and call.run not in self.memory.live_runs
        ]
        for call_id in lost:
            line = outcome(call_id, time.time_ns() // 1_000, "in_doubt", {"detail": LOST})
            self.memory.write(line, form.encode(line, f"memory-{self._run}"), self._run)
        return lost

    async def aclose(self) -> None:
        """Seal what is queued, then close."""
        self.release()
        self._closed = True
        self.memory.live_runs.discard(self._run)

    def hold(self) -> None:
        """From now on lines are accepted and not sealed."""
        self._holding = True

    def release(self) -> None:
        """Seal what was held and stop holding; if `broken`, the held lines fail instead."""
        self._holding = False
        self._seal()

    def reader(self) -> MemoryReader:
        """The reading side of the same memory."""
        return MemoryReader(self.memory)

    def _check(self) -> None:
        if self._closed:
            raise JournalError("the journal is closed")
        if self.broken is not None:
            raise JournalError(self.broken)

    def _seal(self) -> None:
        waiting, self._waiting = self._waiting, []
        for entry in waiting:
            result = self.broken or self.memory.write(entry.source, entry.body.encode(), self._run)
            if not isinstance(result, int):
                self._open_calls.forget(entry.line.call_id)
            entry.settle(result)


class MemoryReader:
    """`ports.JournalReader` on a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def calls(self, where: CallFilter, limit: int) -> Sequence[CallRow]:
        """Newest first."""
        rows = (_row(call) for call in reversed(self._memory.calls.values()))
        return [row for row in rows if where.fits(row)][:limit]

    def call(self, call_id: str) -> CallRow | None:
        """One call by its id or a prefix of at least 6 characters; None if there is none, or several."""
        found = [name for name in self._memory.calls if name == call_id]
        if not found and len(call_id) >= MIN_PREFIX:
            found = [name for name in self._memory.calls if name.startswith(call_id)]
        return _row(self._memory.calls[found[0]]) if len(found) == 1 else None

    def events(self, after: int, limit: int) -> Sequence[EventRow]:
        """Lines with seq > after, oldest first."""
        return self._memory.events[max(after, 0) :][: max(limit, 0)]

    def lines(self, call_id: str) -> Sequence[EventRow]:
        """All lines of one call (its whole id), oldest first."""
        call = self._memory.calls.get(call_id)
        return tuple(call.lines) if call else ()

    def last_seq(self) -> int:
        """The newest line's number, 0 when there is none."""
        return len(self._memory.events)


def _row(call: Kept) -> CallRow:
    first, last = call.lines[0], call.lines[-1]
    settled_at = None if call.state in UNSETTLED else last.at
    return form.row(call.state, first.at, settled_at, first.said, last.said)
