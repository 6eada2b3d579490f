"""Destroys payloads in the commit of the line that says so, and what else the file holds of their call.

Tickets keep arguments for a person to read, and `remembered` what a call's answer named: both go with it.
In the thread that owns the connection.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from gateway.core.apart import CLASSES
from gateway.core.forget import Forget
from gateway.journals import filing
from gateway.journals.payloads import PAYLOADS

_QUOTED: Final[dict[str, object]] = {"arguments": {}, "beside": {}, "undo": "", "why": ""}
SOON: Final = 1_000_000
"""Microseconds after its outcome in which a process notes what a call's answer named."""


def take(connection: sqlite3.Connection, claims: Sequence[Forget]) -> None:
    """All of these. What is not there any more is no error."""
    filing.file(connection)
    for claim in claims:
        connection.executemany(
            "DELETE FROM payload WHERE id >= ? AND id < ?",
            [(seq * PAYLOADS, seq * PAYLOADS + len(CLASSES)) for seq in claim.lines],
        )
        _forget_ticket(connection, claim.call_id)
        _forget_remembered(connection, claim.call_id)


def _forget_ticket(connection: sqlite3.Connection, call_id: str) -> None:
    rows = connection.execute("SELECT id, document FROM ticket").fetchall()
    for name, document in rows:
        ticket = json.loads(document)
        if call_id in (ticket["call_id"], ticket["used_by"]):
            emptied = json.dumps(ticket | _QUOTED)
            connection.execute("UPDATE ticket SET document = ? WHERE id = ?", (emptied, name))


def _forget_remembered(connection: sqlite3.Connection, call_id: str) -> None:
    """All that was noted while it was under way: a memory, whose loss costs a look-up."""
    connection.execute(
        "DELETE FROM remembered WHERE EXISTS (SELECT 1 FROM calls WHERE call_id = ? AND"
        " remembered.at BETWEEN created_at AND settled_at + ?)",
        (call_id, SOON),
    )
