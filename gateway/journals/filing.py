"""Calls as rows to look for, made of their lines when nobody waits: `calls` is as of the line in `filed`.

A row and its indexes are four pages more in the commit of a line; filed together, a hundred calls cost as many as one.
Whoever reads puts the lines since beside the table (`SINCE`), and whoever must find a call in it files it first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from gateway.core.record import UNSETTLED, State
from gateway.journals.rows import Many, flat
from gateway.journals.standing import Row

AT_ONCE: Final = 128
"""Calls that have lines after `filed` before they are filed. Each is read whole by whoever looks meanwhile."""

COLUMNS: Final = "first_seq, last_seq, call_id, state, agent, server, tier, task, created_at, settled_at, run, grant_id"
LATER: Final = "seq > (SELECT seq FROM filed)"
"""Of a line that the table does not know yet."""
_UNSETTLED: Final = ", ".join(f"'{state.value}'" for state in sorted(UNSETTLED))


def _said(member: str) -> str:
    return f"json_extract(CAST(f.body AS TEXT), '$.record.{member}')"


_ROWS: Final = (
    # `s`: the line of the process whose call it is; a held call is that of the process that sends it.
    "SELECT f.seq AS first_seq, l.seq AS last_seq, e.call_id AS call_id, l.kind AS state,"
    f" {_said('agent')} AS agent, {_said('server')} AS server, {_said('tier')} AS tier, {_said('task')} AS task,"
    f" f.at AS created_at, iif(l.kind IN ({_UNSETTLED}), NULL, l.at) AS settled_at,"
    " coalesce((SELECT id FROM run WHERE name = json_extract(CAST(s.body AS TEXT), '$.run')), c.run) AS run,"
    f" coalesce({_said('grant')}, '') AS grant_id"
    " FROM (SELECT call_id, min(seq) AS first, max(seq) AS last,"
    f" max(iif(kind = '{State.INTENT.value}', seq, NULL)) AS sent"
    " FROM event WHERE {lines} GROUP BY call_id) AS e"
    " LEFT JOIN {known} AS c ON c.call_id = e.call_id"
    " JOIN event AS f ON f.seq = coalesce(c.first_seq, e.first)"
    " JOIN event AS l ON l.seq = e.last"
    " LEFT JOIN event AS s ON s.seq = coalesce(e.sent, iif(c.run IS NULL, e.first, NULL))"
)
SINCE: Final = _ROWS.format(lines=LATER, known="calls")
"""Of every call with a line after `filed`, the row it is to have."""

_FOUND_BY: Final = COLUMNS.replace("run, ", "")
_HAD: Final = f"SELECT {_FOUND_BY} FROM calls"
_MADE: Final = _ROWS.format(
    lines="seq <= (SELECT seq FROM filed)", known="(SELECT * FROM calls WHERE false)"
)
MISFILED: Final = (
    f"WITH made AS MATERIALIZED (SELECT {_FOUND_BY} FROM ({_MADE}))"
    f" SELECT call_id FROM (SELECT * FROM made EXCEPT {_HAD})"
    f" UNION SELECT call_id FROM ({_HAD} EXCEPT SELECT * FROM made)"
    " UNION SELECT call_id FROM event WHERE json_type(CAST(body AS TEXT), '$.record') IS NOT NULL"
    " GROUP BY call_id HAVING count(*) > 1 ORDER BY call_id"
)
"""Of every call whose row is not what its lines up to `filed` say, or that has one of the two only, or that begins
more than once, its id."""

_FILE: Final = f"INSERT OR REPLACE INTO calls ({COLUMNS}) "
_ROWS_KNOWN: Final = Many(f"{_FILE}VALUES ", "(?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?, ?)")
_FILED: Final = "UPDATE filed SET seq = (SELECT coalesce(max(seq), 0) FROM event)"


def file(connection: sqlite3.Connection, rows: Sequence[Row] | None = None) -> None:
    """The table is as of the last line; in the transaction that is open, or one of its own, which an error leaves
    open. `rows`: of all that is to be filed, if they are known; a third of the work."""
    connection.execute("SAVEPOINT filing")
    if rows is None:
        connection.execute(_FILE + SINCE)
    else:
        for text, values in _ROWS_KNOWN.over(flat(rows)):
            connection.execute(text, values)
    connection.execute(_FILED)
    connection.execute("RELEASE filing")
