"""A call that a process started to look does not find, while the process that made it still runs. Pure.

A tool server over stdio may keep its world in its own process: then a rollback, which starts one of its own,
looks at another world, and "as it was before" would be said of the wrong one.
"""

from __future__ import annotations

from typing import Final

from gateway.undo.plan import Planned
from gateway.values import replace

HOW: Final = (
    "as seen by a process started to look; the one it was made by still runs, "
    "and if that keeps its world to itself it needs a companion"
)


def doubted(entry: Planned) -> Planned:
    """The same, with what its look cannot tell. Nobody the journal knows of has undone the call."""
    if entry.standing == "already":
        return replace(entry, standing="unreadable", why=f"{entry.why}, {HOW}")
    if entry.standing == "drift":
        return replace(entry, why=f"{entry.why}, {HOW}")
    return entry
