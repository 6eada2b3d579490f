"""Which calls are open, as far as this process knows: refuses an illegal line before it is queued.

A memory, not the authority: the store checks every move again in the transaction that writes it, and
decides alone about calls this memory does not hold (other processes', or settled long ago).
"""

from __future__ import annotations

from gateway.core.record import FIRST, LATER, MOVES, IllegalMove, Line, State, move


class OpenCalls:
    """The state of every open call, as of its latest queued line."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}

    def admit(self, line: Line) -> State | None:
        """The state the call must be in for this line; None if only the store can tell, or it is the first.

        Raises `IllegalMove` for a move the table does not hold, a first line without its record, and
        a later line with one.
        """
        known = self._states.get(line.call_id)
        is_first = line.record is not None
        if line.kind not in (FIRST if is_first else LATER):
            raise IllegalMove(f"call {line.call_id}: the first line has the record, and no other")
        if line.record is not None and line.record.call_id != line.call_id:
            raise IllegalMove(f"a line of call {line.call_id} with the record of another")
        if is_first or known is not None:
            move(known, line.kind)
        return known

    def note(self, line: Line) -> None:
        """This line is queued: from here on the call stands where it says, if it is one we know."""
        if line.record is None and line.call_id not in self._states:
            return
        if MOVES[line.kind]:
            self._states[line.call_id] = line.kind
        else:
            self._states.pop(line.call_id, None)

    def forget(self, call_id: str) -> None:
        """A line of this call was not written: only the store knows its state now."""
        self._states.pop(call_id, None)

    def __len__(self) -> int:
        return len(self._states)
