"""What the journal knows of how calls are undone, opened for those who settle, plan and execute.

It reads lines and unseals; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from gateway.core import written
from gateway.core.model import JsonObject
from gateway.core.record import DOUBTFUL, UNSETTLED, State
from gateway.core.reverse import Recorded, forgotten, meet, server_key
from gateway.ports import CallFilter, CallRow, JournalReader, Protector
from gateway.undo.expressions import Missing
from gateway.undo.writers import Others, Writers

MANY: Final = 1_000_000
REDACTED: Final = Missing("redacted")
"""Packs never look at what is redacted (undo/compiling.py); who does fails."""
_NEVER: Final = frozenset(
    {State.REFUSED, State.HELD, State.CANCELLED, State.NO_EFFECT, State.NOT_APPLIED}
)
"""It changed nothing, or has not been sent."""


class Ledger:
    """One journal, with the key to what it sealed."""

    def __init__(self, reader: JournalReader, protector: Protector) -> None:
        self._reader = reader
        self._protector = protector
        self._writers = Writers(reader, protector.unseal)
        self._all = self.others(lambda _: False)

    def recorded(self, call_id: str) -> Recorded | None:
        """Everything of one call, by its id or a unique prefix; None if there is none.

        Raises `JournalError`, and `ValueError` when what was sealed cannot be opened here."""
        row = self._reader.call(call_id)
        return self.of(row) if row else None

    def of(self, row: CallRow) -> Recorded:
        """The same, for a row already found."""
        lines = self._reader.lines(row.record.call_id)
        documents = [line.said for line in lines]
        bodies = [document["body"] for document in documents]
        if any("images" in line.lost for line in lines):
            reversal, post = forgotten(row.record.server), None
        else:
            reversal, post = written.read(bodies, self._protector.unseal)
        return Recorded(
            record=row.record,
            state=row.state,
            arguments=self._arguments(row, bodies),
            partial=self._restored(row, REDACTED),
            reversal=reversal,
            post=post,
            created_at=row.created_at,
            settled_at=row.settled_at,
            lines=len(lines),
            run=_sent_by(documents),
        )

    def in_doubt(self) -> Sequence[Recorded]:
        """Every call whose effect is not known, oldest first."""
        states = (State.IN_DOUBT, State.NEEDS_HUMAN)
        rows = [
            row for state in states for row in self._reader.calls(CallFilter(state=state), MANY)
        ]
        return [self.of(row) for row in sorted(rows, key=lambda row: row.created_at)]

    def others(self, without: Callable[[str], bool]) -> Others:
        """The writers to ask for, without those of these ids."""
        return Others(self._writers, without)

    def later_writers(self, call: Recorded, among: Others | None = None) -> Iterator[str]:
        """Calls forwarded after this one that wrote, or may have, where it did: their ids, the latest first. `among`
        these, else any.

        A write of the same server that nobody could say more of counts as one that may have; and where a call held
        nothing, as one that waits to be sent, nobody is later."""
        return self._later(call, among or self._all, False)

    def last_step(self, call: Recorded) -> tuple[int, str]:
        """The latest step that any undo has begun for it: its line, and the undo; 0 and "" when none has."""
        return self._writers.last_step(call.call_id, self._reader.lines(call.call_id)[0].seq)

    def is_forced_later(self, call: Recorded, among: Others) -> bool:
        """Does one of them stand for what a forced undo overwrote?"""
        return any(True for _ in self._later(call, among, True))

    def _later(self, call: Recorded, others: Others, forced: bool) -> Iterator[str]:
        if not call.keys:
            return
        keys = (*call.keys, server_key(call.record.server))
        first = self._reader.lines(call.call_id)[0].seq
        for wrote in others.since(first, keys, forced):
            if wrote.epoch > call.epoch and meet(keys, self._left_at(wrote.call_id, others)):
                yield wrote.call_id

    def _left_at(self, call_id: str, others: Others) -> tuple[str, ...]:
        """Where a call left something. Where it was found out afterwards which resources it wrote, these count."""
        if call_id not in others.left_at:
            other = self.recorded(call_id)
            keys = () if other is None or _left_no_trace(other) else other.keys
            if other is None or other.state in UNSETTLED | DOUBTFUL:
                return keys
            others.left_at[call_id] = keys
        return others.left_at[call_id]

    def _arguments(self, row: CallRow, bodies: Sequence[JsonObject]) -> JsonObject | None:
        whole = self._restored(row, None)
        return written.arguments(bodies, self._protector.unseal) if whole is None else whole

    def _restored(self, row: CallRow, redacted: Missing | None) -> JsonObject | None:
        try:
            restored = self._protector.restore(dict(row.record.arguments), redacted)
        except ValueError:
            return None
        return restored if isinstance(restored, dict) else None


def _sent_by(documents: Sequence[JsonObject]) -> str:
    """The run that forwarded the call: the one that wrote its intent, for a held call not the first."""
    intents = [each for each in documents if each.get("kind") == State.INTENT]
    return str((intents or documents)[-1].get("run", ""))


def _left_no_trace(call: Recorded) -> bool:
    return call.left_nothing or call.state in _NEVER
