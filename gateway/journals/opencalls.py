"""Which calls are open, as far as this process knows: refuses an illegal line before it is queued.

A memory, not the authority: the store checks every move again in the transaction that writes it, and
decides alone about calls this memory does not hold (other processes', or settled long ago).
"""

from __future__ import annotations

from typing import Final

from gateway.core.record import FIRST, LATER, MOVES, UNSETTLED, IllegalMove, Line, State

KEPT: Final = UNSETTLED - {State.HELD}
"""States of calls that end here, or with this process."""


class OpenCalls:
    """The state of every open call, as of its latest queued line.

    Calls in doubt are not kept: there is no end to them, and few of them move on. Nor are held ones: another process
    may send them or take them back, and nothing of that is heard here."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}

    def take(self, line: Line) -> None:
        """This line is about to be queued.

        Raises `IllegalMove` for a first line of a call that is open, one without its record, and a later line
        with one."""
        call_id, kind, record, states = line.call_id, line.kind, line.record, self._states
        if record is None:
            if kind not in LATER:
                raise IllegalMove(f"call {call_id}: {kind} is said with its record")
            known = states.pop(call_id, None)
            # Where it cannot follow, another process may have moved the call on meanwhile.
            if kind in KEPT and known is not None and kind in MOVES[known]:
                states[call_id] = kind
            return
        if kind not in FIRST or call_id in states:
            raise IllegalMove(f"call {call_id}: {states.get(call_id)} -> {kind}, with its record")
        if line.own is None and record.call_id != call_id:
            raise IllegalMove(f"a line of call {call_id} with the record of another")
        if kind in KEPT:
            states[call_id] = kind

    def forget(self, call_id: str) -> None:
        """A line of this call was not written: only the store knows its state now."""
        self._states.pop(call_id, None)

    def __len__(self) -> int:
        return len(self._states)
