"""Calls that an earlier undo has taken back, in a plan made since. Pure.

Nothing of such a call is left in the world. If the world has changed since, that is a conflict only where no later
call on record explains it; what later calls wrote is theirs. Where those are undone in the same plan, this call is
looked at last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.record import DOUBTFUL
from gateway.undo.overlapping import Nearest
from gateway.undo.plan import CONFLICTS, TO_DO, Planned, written_later
from gateway.undo.thread import BACK, TAKEN_BACK
from gateway.values import replace

EARLIER: Final = "taken back by an earlier undo"
CHANGED: Final = f"{EARLIER}, and changed since"


def seen_before(
    entry: Planned, undone: Mapping[str, str], is_forced: Callable[[Planned], bool]
) -> Planned:
    """What an earlier undo has taken back is in nobody's way, and later writes do it no harm; what looks like its
    work again is somebody else's. `is_forced`: does a call that came later stand for what a forced undo overwrote? That
    one may have brought the work back."""
    verdict = undone.get(entry.call.call_id)
    again = entry.standing in TO_DO and verdict in TAKEN_BACK
    if not again and (entry.standing not in CONFLICTS or verdict not in BACK):
        return entry
    if entry.standing == "waits":
        return replace(entry, standing="already", why=f"{EARLIER}; looked at last", at_last=True)
    later = entry.dependents or (entry.after if entry.standing == "blocked" else ())
    known = later and not is_forced(entry)
    if known:
        return replace(entry, standing="already", why=f"{EARLIER}; {written_later(later)}")
    return replace(entry, standing="already", why=EARLIER, known_by="undo")


def cancelled(entry: Planned, undone: Mapping[str, str]) -> Planned:
    """A try nobody heard back from, which an earlier undo has cancelled and seen to be gone: it cannot come back,
    whatever is there now."""
    if entry.call.state in DOUBTFUL and entry.call.call_id in undone:
        return replace(entry, standing="already", why="cancelled by an earlier undo", known_by="")
    return entry


def explained(entries: Sequence[Planned]) -> tuple[Planned, ...]:
    """Of a call that an earlier undo took back it is believed that the world has changed since only where a look
    says that a call before it on the same resource is back, too. Else somebody was there: drift."""
    told, back = list[Planned](), Nearest[Planned]()
    for entry in reversed(entries):
        if entry.known_by == "undo" and not back.find(entry.call.keys):
            entry = replace(entry, standing="drift", why=CHANGED, known_by="")
        if entry.standing == "already":
            back.add(entry.call.keys, entry)
        told.append(entry)
    return tuple(reversed(told))
