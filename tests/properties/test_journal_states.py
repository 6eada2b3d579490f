"""Any walk through the table of states, written to a journal, leaves exactly what the table allowed."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.record import FIRST, LATER, MOVES, UNSETTLED, IllegalMove, Line, State, move
from gateway.journals.opencalls import OpenCalls
from tests.journals.calls import NOON, call_record

CALLS = st.sampled_from(["a", "b", "c"])


class TableOfStates(RuleBasedStateMachine):
    """`OpenCalls` never lets through what the table forbids about a call it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.open_calls = OpenCalls()
        self.stands: dict[str, State] = {}
        self.walked: dict[str, list[State]] = {}

    @rule(call=CALLS, to=st.sampled_from(State), with_record=st.booleans())
    def try_a_line(self, call: str, to: State, with_record: bool) -> None:
        line = Line(call, to, NOON, {}, call_record(call) if with_record else None)
        believed = self.open_calls._states.get(call)
        try:
            self.open_calls.take(line)
        except IllegalMove:
            wrong_record = to not in (FIRST if with_record else LATER)
            current = None if with_record else self.stands.get(call)
            assert wrong_record or to not in MOVES[current] or call in self.stands
            return
        assert to in (FIRST if with_record else LATER)
        assert believed is None or not with_record or to in MOVES[believed]
        self._store_judges(line)

    def _store_judges(self, line: Line) -> None:
        """As the store does with what was let through: it knows every call, open or settled."""
        try:
            known = self.stands.get(line.call_id)
            to = move(known, line.kind)
            if (known is None) is not (line.record is not None):
                raise IllegalMove
        except IllegalMove:
            self.open_calls.forget(line.call_id)
            return
        self.stands[line.call_id] = to
        self.walked.setdefault(line.call_id, []).append(to)

    @invariant()
    def every_walk_is_legal(self) -> None:
        for walk in self.walked.values():
            for current, to in zip([None, *walk], walk, strict=False):
                assert to in MOVES[current]

    @invariant()
    def only_open_calls_are_remembered(self) -> None:
        open_now = [call for call, state in self.stands.items() if state in UNSETTLED]
        assert len(self.open_calls) <= len(open_now)


TestTableOfStates = TableOfStates.TestCase
