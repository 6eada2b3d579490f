"""How many calls of an agent wait to be sent: counted as one more is held, in the commit of its line.

By what is filed: the last hundred lines may be missing. It knows no event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from gateway.core.record import MOST_HELD, Waits
from gateway.errors import Refused
from gateway.reasons import Reason

_OF_AGENT: Final = "SELECT count(*) FROM calls WHERE state = 'held' AND agent = ?"
_OF_TENANT: Final = (
    "SELECT count(*) FROM calls JOIN event ON seq = first_seq WHERE state = 'held' AND agent = ?"
    " AND json_extract(CAST(body AS TEXT), '$.record.tenant') = ?"
)


def take(connection: sqlite3.Connection, claims: Sequence[Waits]) -> None:
    """One more for each of these. Raises `Refused` (overloaded) when there are enough."""
    for one in claims:
        if _count(connection, _OF_AGENT, one.agent) < MOST_HELD:
            continue
        held = _count(connection, _OF_TENANT, one.agent, one.tenant)
        if held >= MOST_HELD:
            raise Refused(Reason.OVERLOADED, f"{held} calls of {one.agent} wait to be sent")


def _count(connection: sqlite3.Connection, sql: str, *values: str) -> int:
    return int(connection.execute(sql, values).fetchone()[0])
