"""The SQLite journal against a model of it: any lines, any batches, reopened at any time, several at once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core.record import FIRST, LATER, IllegalMove, Line, State, move
from gateway.errors import JournalError
from gateway.journals import filing
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.journals.sqlitefile import SqliteFile
from gateway.ports import CallFilter, Pending
from tests.journals.calls import NOON, call_record

LINES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(State), st.integers(0, 10**9)),
    min_size=1,
    max_size=12,
)
PROCESSES = st.integers(0, 1)
BEGUN = st.sampled_from(sorted(FIRST))


class StoreAgainstModel(RuleBasedStateMachine):
    """The model: which state each call stands in, who opened it, and how many lines there are."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.place = Path(tempfile.mkdtemp())
        self.path = self.place / "journal.db"
        self.journals = [self._run(SqliteJournal.open(self.path)) for _ in range(2)]
        self.stands: dict[str, State] = {}
        self.opened_by: dict[str, SqliteJournal] = {}
        self.sealed: list[tuple[int, str, State]] = []
        self.patch = pytest.MonkeyPatch()

    @initialize(calls=st.sampled_from([1, 2, 5, filing.AT_ONCE]))
    def file_after(self, calls: int) -> None:
        self.patch.setattr(filing, "AT_ONCE", calls)

    def teardown(self) -> None:
        self.patch.undo()
        for journal in self.journals:
            self._run(journal.aclose())
        self.loop.close()
        shutil.rmtree(self.place)

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    @rule(lines=LINES, process=PROCESSES)
    def write_one_by_one(self, lines: list[tuple[int, State, int]], process: int) -> None:
        journal = self.journals[process]
        for number, to, at in lines:
            line = self._line(number, to, at)
            [result] = self._run(self._write(journal, [line]))
            self._compare(journal, line, result)

    @rule(lines=LINES, process=PROCESSES)
    def write_as_one_batch(self, lines: list[tuple[int, State, int]], process: int) -> None:
        """A batch is judged line by line in its order, whatever it holds."""
        journal = self.journals[process]
        expected = dict(self.stands)
        batch = []
        for number, to, at in lines:
            line = self._line(number, to, at, expected)
            batch.append(line)
            if self._is_legal(line, expected):
                expected[line.call_id] = to
        results = self._run(self._write(journal, batch))
        for line, result in zip(batch, results, strict=True):
            self._compare(journal, line, result)

    @rule(kinds=st.tuples(BEGUN, BEGUN), process=PROCESSES, other=PROCESSES)
    def begin_twice(self, kinds: tuple[State, State], process: int, other: int) -> None:
        """What has just begun is not filed yet; wherever it is begun again, it stands."""
        call_id = f"again-{len(self.stands)}"
        for kind, at in zip(kinds, (process, other), strict=True):
            line = Line(call_id, kind, NOON, {}, call_record(call_id))
            [result] = self._run(self._write(self.journals[at], [line]))
            self._compare(self.journals[at], line, result)

    def _line(
        self, number: int, to: State, at: int, stands: dict[str, State] | None = None
    ) -> Line:
        call_id = f"call-{number}"
        known = self.stands if stands is None else stands
        first = to in FIRST and (to not in LATER or call_id not in known)
        return Line(call_id, to, NOON + at, {"n": number}, call_record(call_id) if first else None)

    async def _write(self, journal: SqliteJournal, lines: list[Line]) -> list[int | None]:
        pending: list[Pending | None] = []
        for line in lines:
            try:
                pending.append(journal.append(line))
            except IllegalMove:
                pending.append(None)
        return [await self._seq(each) for each in pending]

    async def _seq(self, pending: Pending | None) -> int | None:
        try:
            return (await pending.sealed()).seq if pending else None
        except JournalError:
            return None

    def _is_legal(self, line: Line, stands: dict[str, State]) -> bool:
        current = stands.get(line.call_id)
        try:
            move(current, line.kind)
        except IllegalMove:
            return False
        return (current is None) is (line.record is not None)

    def _compare(self, journal: SqliteJournal, line: Line, seq: int | None) -> None:
        if not self._is_legal(line, self.stands):
            assert seq is None
            return
        assert seq is not None
        self.stands[line.call_id] = line.kind
        if line.kind is State.INTENT:
            self.opened_by[line.call_id] = journal  # a held call belongs to who sends it
        self.sealed.append((seq, line.call_id, line.kind))

    @rule(process=PROCESSES)
    def reopen(self, process: int) -> None:
        self._run(self.journals[process].aclose())
        self.journals[process] = self._run(SqliteJournal.open(self.path))

    @rule(process=PROCESSES)
    def die(self, process: int) -> None:
        """What was written is left as it is, not filed."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteFile, "_file", lambda *_: None)
            self._run(self.journals[process].aclose())
        self.journals[process] = self._run(SqliteJournal.open(self.path))

    @precondition(lambda self: self.stands)
    @rule(process=PROCESSES)
    def recover(self, process: int) -> None:
        lost = self._run(self.journals[process].recover())
        expected = [
            call_id
            for call_id, state in self.stands.items()
            if state is State.INTENT and self.opened_by[call_id] not in self.journals
        ]
        assert sorted(lost) == sorted(expected)
        for call_id in expected:
            self.stands[call_id] = State.IN_DOUBT
            self.sealed.append((len(self.sealed) + 1, call_id, State.IN_DOUBT))

    @invariant()
    def the_file_holds_what_the_model_holds(self) -> None:
        reader = SqliteReader(self.path)
        calls = {row.record.call_id: row.state for row in reader.calls(CallFilter(), 100)}
        events = [(event.seq, event.call_id, event.kind) for event in reader.events(0, 10_000)]
        reader.close()
        assert calls == self.stands
        assert sorted(events) == events
        assert sorted((call_id, kind) for _, call_id, kind in events) == sorted(
            (call_id, kind) for _, call_id, kind in self.sealed
        )
        assert [seq for seq, *_ in events] == list(range(1, len(events) + 1))


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(max_examples=12, stateful_step_count=15, deadline=None)
