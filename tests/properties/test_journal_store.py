"""The SQLite journal against a model of it: any lines, any batches, reopened at any time, several at once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.record import FIRST, LATER, IllegalMove, Line, State, move
from gateway.errors import JournalError
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.ports import CallFilter, Pending
from tests.journals.calls import NOON, call_record

LINES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(State), st.integers(0, 10**9)),
    min_size=1,
    max_size=12,
)
PROCESSES = st.integers(0, 1)


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

    def teardown(self) -> None:
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
            [result] = self._run(self._write(journal, [self._line(number, to, at)]))
            self._compare(journal, f"call-{number}", to, result)

    @rule(lines=LINES, process=PROCESSES)
    def write_as_one_batch(self, lines: list[tuple[int, State, int]], process: int) -> None:
        """A batch is judged line by line in its order, whatever it holds."""
        journal = self.journals[process]
        expected = dict(self.stands)
        batch = []
        for number, to, at in lines:
            batch.append(self._line(number, to, at, expected))
            try:
                expected[f"call-{number}"] = move(expected.get(f"call-{number}"), to)
            except IllegalMove:
                continue
        results = self._run(self._write(journal, batch))
        for line, result in zip(batch, results, strict=True):
            self._compare(journal, line.call_id, line.kind, result)

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

    def _compare(self, journal: SqliteJournal, call_id: str, to: State, seq: int | None) -> None:
        try:
            self.stands[call_id] = move(self.stands.get(call_id), to)
        except IllegalMove:
            assert seq is None
            return
        assert seq is not None
        if to is State.INTENT:
            self.opened_by[call_id] = journal  # a held call belongs to who sends it
        self.sealed.append((seq, call_id, to))

    @rule(process=PROCESSES)
    def reopen(self, process: int) -> None:
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
