"""What the journal knows of how calls are undone, opened for those who settle, plan and execute.

It reads lines and unseals; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.core import written
from gateway.core.model import JsonObject
from gateway.core.record import State
from gateway.core.reverse import Recorded, forgotten, overlaps, server_key
from gateway.ports import CallFilter, CallRow, JournalReader, Protector
from gateway.undo.expressions import Missing
from gateway.undo.writers import Writers

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

    def later_writers(
        self, call: Recorded, without: Callable[[str], bool] = lambda _: False
    ) -> Sequence[Recorded]:
        """Calls forwarded after this one that wrote, or may have, where it did: oldest first. `without`: by their ids,
        calls that nobody asks for.

        A write of the same server that nobody could say more of counts as one that may have."""
        found = []
        epoch, keys, whole = call.epoch, call.keys, server_key(call.record.server)
        for wrote in self._writers.since(self._reader.lines(call.call_id)[0].seq, (*keys, whole)):
            if wrote.epoch <= epoch or without(wrote.call_id):
                continue
            if _meet(keys, whole, wrote.keys):
                other = self.recorded(wrote.call_id)
                if other is not None and not _left_no_trace(other):
                    # Where it was found out afterwards which resources a call wrote, these count.
                    if other.keys == wrote.keys or _meet(keys, whole, other.keys):
                        found.append(other)
        return sorted(found, key=lambda other: other.epoch)

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


def _meet(keys: Sequence[str], whole: str, others: Sequence[str]) -> bool:
    """`whole`: the key of all of their server."""
    return any(theirs == whole or overlaps(mine, theirs) for mine in keys for theirs in others)
