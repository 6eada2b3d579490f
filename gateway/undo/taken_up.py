"""An undo that was cut off in the middle of one call: is that call whole, or what is its next step? Pure.

By the lines of the undo, the states of its steps' own calls, and the world as it is now.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.record import DOUBTFUL, State
from gateway.undo.thread import Begun, Found
from gateway.undo.work import Stop, Work


def taken_up(work: Work, tried: Mapping[int, State]) -> bool:
    """A call whose undo was cut off: is it whole? Raises `Stop` when that cannot be told.

    After a finished step the world was written down; a step under way since may have changed it.
    Of a try nobody heard back from no look tells whether it was cancelled: it may still arrive."""
    number = work.begun.done + 1
    if number > len(work.steps):
        return True
    state, unheard = tried.get(number), work.call.state in DOUBTFUL
    if state is State.APPLIED and number + 1 in tried:
        # Its line was lost, and so is how the world was before the next one: that alone is no reason to send it again.
        work.begun = Begun(number, None)
        return taken_up(work, tried)
    if state is State.APPLIED:
        return number == len(work.steps) or _goes_on(work, number)
    if work.is_as_left() and (state is None or not unheard):
        return False
    if state is None:
        raise Stop(Found("conflict", "changed since its undo was cut off"))
    if not unheard and work.is_back(work.world):
        return True
    if not unheard and (number == len(work.steps) or not work.is_ours()):
        raise Stop(Found("conflict", "neither as before its next step nor as after it"))
    if work.steps[number - 1].idempotent:
        return False
    raise Stop(
        Found("in_doubt", f"step {number} was under way when the undo was cut off: look at it")
    )


def _goes_on(work: Work, number: int) -> bool:
    """That step is done, by its server's word: the next one's turn. Never whole."""
    if not work.is_as_left() and not work.is_ours():
        raise Stop(Found("conflict", f"changed by somebody else after step {number}"))
    work.begun = Begun(number, work.world)
    return False
