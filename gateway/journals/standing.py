"""How calls stand, as far as the writer must know it to judge the next line without asking the file, and to file it.

As of the last line the ledger has seen, and good for as long as nobody else has written since. It knows no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from gateway.core.record import FIRST, MOVES, UNSETTLED, WORDS, Line, State
from gateway.journals.rows import NONE

Row = list[Any]
"""Of the table of calls (filing.py)."""
LAST, STATE, SETTLED, RUN = 1, 3, 9, 10
"""What a later line changes."""
_SENT: Final = State.INTENT


class Unclear(Exception):
    """Only the file can tell."""


class Ahead(NamedTuple):
    """What lines make of their calls, once they are written."""

    begun: list[str]
    """The calls that begin with them: whether one is filed already, is not known here."""
    now: dict[str, Row]
    """Each call's, by its id."""


class Standing:
    """Of the calls of one process, the run with this number."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._open: dict[str, Row] = {}
        """Those to which something is still to come. Calls in doubt are not kept: there is no end to them, and few
        of them move on."""
        self._unfiled: dict[str, Row | None] = {}
        """All those, of whomever, with lines that are not in the table yet. None: only its lines tell."""

    def __len__(self) -> int:
        """How many are not filed."""
        return len(self._unfiled)

    def follow(self, lines: Sequence[Line], first: int) -> Ahead:
        """`first`: the number of the first, once they are written; the others' come behind it. Raises `Unclear` when
        they cannot follow, or are of a call that is not known here."""
        begun: list[str] = []
        now: dict[str, Row] = {}
        stands, unfiled, run = self._open, self._unfiled, self._run
        for seq, line in enumerate(lines, first):
            call_id, kind, record = line.call_id, line.kind, line.record
            row = now.get(call_id)
            if record is not None:
                if kind not in FIRST or row is not None or call_id in stands or call_id in unfiled:
                    raise Unclear
                begun.append(call_id)
                row = [seq, seq, call_id, WORDS[kind], record.agent, record.server, record.tier]
                row += (record.task, line.at, NONE, run, record.grant)
            else:
                if row is None:
                    if call_id not in stands:
                        raise Unclear
                    row = stands[call_id].copy()  # which is so until these are written
                if kind not in MOVES[row[STATE]]:  # a text, which is as good: a state is one
                    raise Unclear
                row[LAST], row[STATE] = seq, WORDS[kind]
                if kind is _SENT:
                    row[RUN] = run  # a held call is that of the process that sends it
            if kind not in UNSETTLED:
                row[SETTLED] = line.at
            now[call_id] = row
        return Ahead(begun, now)

    def heard(self, call_ids: Iterable[str]) -> None:
        """Of these others have written."""
        for call_id in call_ids:
            self._open.pop(call_id, None)
            self._unfiled[call_id] = None

    def note(self, ahead: Ahead) -> None:
        """The lines that were followed were written."""
        for call_id, row in ahead.now.items():
            if row[STATE] in UNSETTLED:
                self._open[call_id] = row
            else:
                self._open.pop(call_id, None)
        self._unfiled.update(ahead.now)

    def note_each(self, lines: Sequence[Line], seqs: Sequence[object]) -> None:
        """The file has judged these; one without a number was not written."""
        for line, seq in zip(lines, seqs, strict=True):
            if isinstance(seq, int):
                try:
                    self.note(self.follow([line], seq))
                except Unclear:
                    self.heard([line.call_id])

    def rows(self) -> list[Row] | None:
        """What is to be filed; None when only the lines tell."""
        rows = [row for row in self._unfiled.values() if row is not None]
        return rows if len(rows) == len(self._unfiled) else None

    def filed(self) -> None:
        """All lines there are."""
        self._unfiled.clear()

    def forget(self) -> None:
        """All lines are filed, and it is not known what others have written."""
        self._open.clear()
        self.filed()
