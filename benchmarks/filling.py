"""Journals with millions of rows, made by SQL from one real call: for what grows with a journal.

Its lines are copied as they are, under other call ids, so they are as long and lie as they would; they say
nothing new. The Merkle log is brought up to them, as it would be.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from gateway.app.evidence import open_sequencer

STEP: Final = 100_000
NUMBERS: Final = (
    "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :end)"
)
"""Calls have two lines: call i, seen from zero, the lines after :last + 2 * i."""
STATEMENTS: Final = (
    f"{NUMBERS} INSERT INTO event (seq, call_id, kind, at, body)"
    " SELECT :last + 2 * i + 1 + (seq > :seq), printf('%026d', i), kind, at, body"
    " FROM n, event WHERE seq IN (:seq, :seq + 1) ORDER BY 1",
    f"{NUMBERS} INSERT INTO calls (first_seq, last_seq, call_id, state, agent, server, tier, task,"
    " created_at, settled_at, run, grant_id)"
    " SELECT :last + 2 * i + 1, :last + 2 * i + 2, printf('%026d', i), state, agent, server, tier,"
    " task, created_at, settled_at, run, grant_id FROM n, calls WHERE call_id = :call",
    f"{NUMBERS} INSERT INTO payload (id, ref, key, data)"
    " SELECT (:last + 2 * i + 1) * 8 + id % 8, ref, key, data"
    " FROM n, payload WHERE id BETWEEN :seq * 8 AND :seq * 8 + 7",
    "UPDATE filed SET seq = (SELECT max(seq) FROM event)",
)


def fill(state_dir: Path, rows: int) -> None:
    """Add lines until there are so many. The gateway must not run, and must have had a call."""
    with closing(sqlite3.connect(state_dir / "journal.db")) as db:
        db.execute("PRAGMA synchronous = OFF")
        (last,) = db.execute("SELECT max(seq) FROM event").fetchone()
        call, seq = db.execute(
            "SELECT call_id, first_seq FROM calls WHERE last_seq = first_seq + 1 LIMIT 1"
        ).fetchone()
        for first in range(0, calls := (rows - last) // 2, STEP):
            end = min(first + STEP, calls)
            said = {"first": first, "end": end, "last": last, "seq": seq, "call": call}
            for statement in STATEMENTS:
                db.execute(statement, said)
            db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    open_sequencer(state_dir).catch_up()


def lines(state_dir: Path) -> int:
    """How many there are."""
    with closing(sqlite3.connect(state_dir / "journal.db")) as db:
        return int(db.execute("SELECT max(seq) FROM event").fetchone()[0])
