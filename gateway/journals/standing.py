"""How calls stand, as far as the writer must know it to judge the next line without asking the file, and to file it.

As of the last line the ledger has seen, and good for as long as nobody else has written since. It knows no SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.core.record import MOVES, UNSETTLED, WORDS, Line, State
from gateway.journals.rows import NONE

Row = list[Any]
"""Of the table of calls (filing.py)."""
LAST, STATE, SETTLED, RUN = 1, 3, 9, 10
"""What a later line changes."""
_SENT: Final = State.INTENT


class Unclear(Exception):
    """Only the file can tell."""


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

    def follow(self, lines: Sequence[Line]) -> list[str]:
        """The calls that begin with these lines: whether one is filed already, is not known here. Raises `Unclear`
        when these lines cannot follow, or are of a call that is not known here."""
        begun: list[str] = []
        now: dict[str, State] = {}
        stands, unfiled = self._open, self._unfiled
        for line in lines:
            call_id, kind = line.call_id, line.kind
            current = now.get(call_id)
            if current is None and call_id in stands:
                current = stands[call_id][STATE]  # as a text, which is as good: a state is one
            if kind not in MOVES[current] or (line.record is None) is (current is None):
                raise Unclear
            if current is None:
                if call_id in unfiled:
                    raise Unclear
                begun.append(call_id)
            now[call_id] = kind
        return begun

    def heard(self, call_ids: Iterable[str]) -> None:
        """Of these others have written."""
        for call_id in call_ids:
            self._open.pop(call_id, None)
            self._unfiled[call_id] = None

    def note(self, lines: Sequence[Line], seqs: Sequence[object]) -> None:
        """These lines were written, with these numbers; one without a number was not."""
        stands, unfiled = self._open, self._unfiled
        for line, seq in zip(lines, seqs, strict=True):
            if not isinstance(seq, int):
                continue
            call_id, kind = line.call_id, line.kind
            row: Row | None
            if (record := line.record) is not None:
                row = [seq, seq, call_id, WORDS[kind], record.agent, record.server, record.tier]
                row += (record.task, line.at, NONE, self._run, record.grant)
            elif (row := stands.pop(call_id, None)) is not None:
                row[LAST], row[STATE] = seq, WORDS[kind]
                if kind is _SENT:
                    row[RUN] = self._run  # a held call is that of the process that sends it
            if row is not None:
                if kind in UNSETTLED:
                    stands[call_id] = row
                else:
                    row[SETTLED] = line.at
            unfiled[call_id] = row

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
