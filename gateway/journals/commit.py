"""One batch of lines as one SQLite transaction: the SQL of the hot insert, many rows to a statement (rows.py).

`event` gets every line; `call` follows in the same transaction, each move checked against the row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from gateway.core.record import UNSETTLED, IllegalMove, Line, State, move
from gateway.errors import Refused
from gateway.journals import claims
from gateway.journals.budgets import Left, bodies
from gateway.journals.entry import Entry
from gateway.journals.payloads import PAYLOADS, Keeper, Kept
from gateway.journals.rows import chunks, flat, statement

EVENT: Final = "INSERT INTO event (call_id, kind, at, body) VALUES "
PAYLOAD: Final = "INSERT INTO payload (id, ref, key, data) VALUES "
CALL: Final = (
    "INSERT INTO call (first_seq, last_seq, call_id, state, agent, server, tier, task,"
    " created_at, settled_at, run, grant_id) VALUES "
)
MOVE: Final = (
    "UPDATE call SET state = v.column3, last_seq = v.column4, settled_at = v.column5,"
    " run = coalesce(v.column6, run) FROM (VALUES "
)
"""A held call belongs to the process that sends it."""
MOVED: Final = ") AS v WHERE call.call_id = v.column1 AND call.state = v.column2"
FOUR: Final = "(?, ?, ?, ?)"
SIX: Final = "(?, ?, ?, ?, ?, ?)"
TWELVE: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_LINE_AT_FAULT: Final = (sqlite3.IntegrityError, UnicodeError, OverflowError)


class _Unclear(Exception):
    """A line of the batch does not fit the rows: find out which, one by one."""


def write(
    connection: sqlite3.Connection, entries: Sequence[Entry], run: int, keeper: Keeper
) -> list[int | str | Refused]:
    """Per line its sequence number, or why it was refused: `Refused` for a claim that does not hold.

    Durable on return. Raises `sqlite3.Error` when nothing of the batch was written.
    """
    sealed = [
        [(payload.kind, keeper.seal(payload)) for payload in entry.payloads] for entry in entries
    ]
    connection.execute("BEGIN IMMEDIATE")
    try:
        results: list[int | str | Refused] = [*_together(connection, entries, run)]
    except (_Unclear, Refused, *_LINE_AT_FAULT):
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        results = [_alone(connection, entry, run) for entry in entries]
    _insert_payloads(connection, results, sealed)
    connection.execute("COMMIT")
    return results


def _together(connection: sqlite3.Connection, entries: Sequence[Entry], run: int) -> list[int]:
    firsts, moves = [], []
    left = claims.take(connection, (claim for entry in entries for claim in entry.source.claims))
    seqs = _insert_events(connection, entries, left)
    for entry, seq in zip(entries, seqs, strict=True):
        if entry.source.record is not None:
            firsts.append(_call_values(entry.source, seq, run))
        elif entry.expects is not None:
            moves.append(_move_values(entry.source, entry.expects, seq, run))
        else:
            raise _Unclear
    _insert_calls(connection, firsts)
    if _move_calls(connection, moves) != len(moves):
        raise _Unclear
    return seqs


def _alone(connection: sqlite3.Connection, entry: Entry, run: int) -> int | str | Refused:
    """One line, checked against the row of its call; a refused one leaves no trace."""
    connection.execute("SAVEPOINT line")
    try:
        return _checked(connection, entry, run)
    except Refused as no:
        connection.execute("ROLLBACK TO line")
        return no
    except (IllegalMove, *_LINE_AT_FAULT) as error:
        connection.execute("ROLLBACK TO line")
        return f"call {entry.line.call_id}: {type(error).__name__}: {error}"
    finally:
        connection.execute("RELEASE line")


def _checked(connection: sqlite3.Connection, entry: Entry, run: int) -> int:
    line = entry.source
    found = connection.execute("SELECT state FROM call WHERE call_id = ?", (line.call_id,))
    row = found.fetchone()
    current = State(row[0]) if row else None
    move(current, line.kind)
    if (current is None) is not (line.record is not None):
        raise IllegalMove("the first line has the record, and no other")
    left = claims.take(connection, line.claims)
    [seq] = _insert_events(connection, [entry], left)
    if current is None:
        _insert_calls(connection, [_call_values(line, seq, run)])
    else:
        _move_calls(connection, [_move_values(line, current, seq, run)])
    return seq


def _insert_events(
    connection: sqlite3.Connection, entries: Sequence[Entry], left: Left
) -> list[int]:
    """`left`: of budgets, before all of these."""
    seqs: list[int] = []
    for chunk in chunks([*zip(entries, bodies(entries, left), strict=True)]):
        values: list[Any] = []
        for entry, body in chunk:
            line = entry.source
            values += (line.call_id, line.kind.value, line.at, body)
        last = connection.execute(statement(EVENT, FOUR, len(chunk)), values).lastrowid
        assert last is not None
        # Rows of one statement get consecutive numbers: nobody else writes meanwhile, nothing is deleted.
        seqs += range(last - len(chunk) + 1, last + 1)
    return seqs


def _insert_payloads(
    connection: sqlite3.Connection,
    results: Sequence[int | str | Refused],
    sealed: Sequence[Sequence[tuple[int, Kept]]],
) -> None:
    """Of the lines that were written."""
    rows = [
        (seq * PAYLOADS + kind, kept.ref, kept.key, kept.data)
        for seq, some in zip(results, sealed, strict=True)
        if isinstance(seq, int)
        for kind, kept in some
    ]
    for chunk in chunks(rows):
        connection.execute(statement(PAYLOAD, FOUR, len(chunk)), flat(chunk))


def _insert_calls(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    for chunk in chunks(rows):
        connection.execute(statement(CALL, TWELVE, len(chunk)), flat(chunk))


def _move_calls(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
    moved = 0
    for chunk in chunks(rows):
        moved += connection.execute(statement(MOVE, SIX, len(chunk), MOVED), flat(chunk)).rowcount
    return moved


def _call_values(line: Line, seq: int, run: int) -> tuple[Any, ...]:
    record = line.record
    assert record is not None
    settled = None if line.kind in UNSETTLED else line.at
    return (
        seq,
        seq,
        line.call_id,
        line.kind.value,
        record.agent,
        record.server,
        record.tier,
        record.task,
        line.at,
        settled,
        run,
        record.grant,
    )


def _move_values(line: Line, current: State, seq: int, run: int) -> tuple[Any, ...]:
    settled = None if line.kind in UNSETTLED else line.at
    sends = run if line.kind is State.INTENT else None
    return (line.call_id, current.value, line.kind.value, seq, settled, sends)
