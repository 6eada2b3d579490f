"""Labels of what tasks have read, in the journal's database. Rows are added and never taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from gateway.core.flow import Passage, closed
from gateway.core.model import Label
from gateway.errors import Refused
from gateway.reasons import Reason


def take(connection: sqlite3.Connection, passages: Sequence[Passage]) -> None:
    """In the order of the calls: each way out is looked at before the call's own reads are added.

    Raises `Refused` (flow)."""
    for each in passages:
        brought = raised(connection, each.own) if each.own else frozenset[Label]()
        why = closed(each, raised(connection, each.root) | brought) if each.out else ""
        if why:
            raise Refused(Reason.FLOW, why)
        connection.executemany(
            "INSERT OR IGNORE INTO label (root, label) VALUES (?, ?)",
            [
                *((each.root, label) for label in each.reads | brought),
                *((each.own, label) for label in each.reads if each.own),
            ],
        )


def raised(connection: sqlite3.Connection, root: str) -> frozenset[Label]:
    """The labels of one task."""
    found = connection.execute("SELECT label FROM label WHERE root = ?", (root,))
    return frozenset(label for (label,) in found)
