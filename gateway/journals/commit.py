"""One batch of lines as one SQLite transaction: the SQL of the hot insert, many rows to a statement (rows.py).

A statement that fails takes its batch with it, so none needs to be able to undo itself (OR FAIL): SQLite would
copy every page it touches, to a file of its own, for that.
`event` gets every line; `call` follows in the same transaction, each move checked against the row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.core.model import CallRecord
from gateway.core.record import MOVES, UNSETTLED, IllegalMove, Line, State, move
from gateway.errors import Refused
from gateway.journals import claims
from gateway.journals.budgets import Bill, written
from gateway.journals.entry import Entry
from gateway.journals.ledger import Ledger
from gateway.journals.payloads import PAYLOADS, Keeper, Kept, Payload
from gateway.journals.rows import chunks, flat, statement

EVENT: Final = "INSERT OR FAIL INTO event (call_id, kind, at, body, spent) VALUES "
EVENT_ROW: Final = "(?, ?, ?, ?, ?)"
PAYLOAD: Final = "INSERT OR FAIL INTO payload (id, ref, key, data) VALUES "
PAYLOAD_ROW: Final = "(?, ?, ?, ?)"
CALL: Final = (
    "INSERT OR FAIL INTO call (first_seq, last_seq, call_id, state, agent, server, tier, task,"
    " created_at, settled_at, run, grant_id) VALUES "
)
CALL_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?, ?)"
MOVE: Final = (
    "UPDATE OR FAIL call SET state = v.column4, last_seq = v.column5, settled_at = nullif(v.column6, ''),"
    " run = coalesce(nullif(v.column7, ''), run) FROM (VALUES "
)
"""A held call belongs to the process that sends it."""
MOVE_ROW: Final = "(?, ?, ?, ?, ?, ?, ?)"
MOVED: Final = ") AS v WHERE call.first_seq = v.column1 AND call.call_id = v.column2 AND call.state = v.column3"
PLACE: Final = "SELECT first_seq FROM call WHERE call_id = ?"
NONE: Final = ""
"""In place of a None, which the driver binds by asking around for who could adapt it; so it does with
bytes, and not with a bytearray."""

Row = list[Any]
LAST, STATE, SETTLED = 1, 3, 9
"""Of a row of `call`, what a later line changes."""

Work = Callable[[sqlite3.Connection], Any]
"""What is done in the lines' transaction beside them. It begins and ends none."""

Places = dict[str, int]
"""Of calls that can move on: where their rows are."""

_LINE_AT_FAULT: Final = (sqlite3.IntegrityError, UnicodeError, OverflowError)


class _Unclear(Exception):
    """A line of the batch does not fit the rows, or rests on what is no longer so: find out which, one by one."""


def write(
    ledger: Ledger,
    entries: Sequence[Entry],
    run: int,
    keeper: Keeper,
    places: Places,
    works: Sequence[Work] = (),
) -> tuple[list[int | str | Refused], list[Any]]:
    """Per line its sequence number, or why it was refused: `Refused` for a claim that does not hold. And what
    the works made, after the lines.

    Durable on return. Raises `sqlite3.Error` when nothing of it was written."""
    having = [(at, one) for at, entry in enumerate(entries) for one in entry.payloads]
    sealed = keeper.seal_all([one for _, one in having]) if having else ()
    ledger.begin(sure=False)
    try:
        results: list[int | str | Refused] = [*_together(ledger, entries, run, places)]
    except (_Unclear, Refused, *_LINE_AT_FAULT):
        ledger.roll_back()
        ledger.begin(sure=True)
        results = [_alone(ledger, entry, run) for entry in entries]
    if having:
        _insert_payloads(ledger.connection, results, having, sealed)
    made = [work(ledger.connection) for work in works]
    ledger.commit([result for result in results if isinstance(result, int)])
    _remember(places, entries, results)
    return results, made


def _remember(
    places: Places, entries: Sequence[Entry], results: Sequence[int | str | Refused]
) -> None:
    """Where the calls are of which more can come."""
    for entry, result in zip(entries, results, strict=True):
        line = entry.source
        if not MOVES[line.kind]:
            places.pop(line.call_id, None)
        elif line.record is not None and isinstance(result, int):
            places[line.call_id] = result


def _together(ledger: Ledger, entries: Sequence[Entry], run: int, places: Places) -> list[int]:
    claimed = [claim for entry in entries for claim in entry.source.claims]
    bills = claims.take(ledger, claimed) if claimed else ()
    seqs = _insert_events(ledger.connection, entries, bills)
    if claimed and not ledger.is_current(seqs[0]):
        raise _Unclear
    firsts, moves = _projected(entries, seqs, run, places)
    _insert_calls(ledger.connection, firsts)
    if moves and _move_calls(ledger.connection, moves) != len(moves):
        raise _Unclear
    return seqs


def _projected(
    entries: Sequence[Entry], seqs: Sequence[int], run: int, places: Places
) -> tuple[list[Row], list[Row]]:
    """The calls that begin with these lines, as these lines leave them; and the moves of earlier ones."""
    begun: dict[str, Row] = {}
    moves: list[Row] = []
    for entry, seq in zip(entries, seqs, strict=True):
        line = entry.source
        row = begun.get(line.call_id)
        if line.record is not None and row is None:
            begun[line.call_id] = _call_row(line, line.record, seq, run)
        elif line.record is not None or entry.expects is None:
            raise _Unclear
        elif row is not None and row[STATE] == entry.expects:
            row[LAST], row[STATE], row[SETTLED] = seq, line.kind._value_, _settled_at(line)
        elif row is None and line.call_id in places:
            moves.append(_move_row(line, places[line.call_id], entry.expects, seq, run))
        else:
            raise _Unclear
    return [*begun.values()], moves


def _alone(ledger: Ledger, entry: Entry, run: int) -> int | str | Refused:
    """One line, checked against the row of its call; a refused one leaves no trace."""
    ledger.connection.execute("SAVEPOINT line")
    mark = ledger.mark()
    try:
        return _checked(ledger, entry, run)
    except Refused as no:
        _undo(ledger, mark)
        return no
    except (IllegalMove, *_LINE_AT_FAULT) as error:
        _undo(ledger, mark)
        return f"call {entry.line.call_id}: {type(error).__name__}: {error}"
    finally:
        ledger.connection.execute("RELEASE line")


def _undo(ledger: Ledger, mark: int) -> None:
    ledger.connection.execute("ROLLBACK TO line")
    ledger.back_to(mark)


def _checked(ledger: Ledger, entry: Entry, run: int) -> int:
    line, connection = entry.source, ledger.connection
    found = connection.execute("SELECT state FROM call WHERE call_id = ?", (line.call_id,))
    row = found.fetchone()
    current = State(row[0]) if row else None
    move(current, line.kind)
    if (current is None) is not (line.record is not None):
        raise IllegalMove("the first line has the record, and no other")
    [seq] = _insert_events(connection, [entry], claims.take(ledger, line.claims))
    if line.record is not None:
        _insert_calls(connection, [_call_row(line, line.record, seq, run)])
    elif current is not None:
        [[first]] = connection.execute(PLACE, (line.call_id,))
        _move_calls(connection, [_move_row(line, first, current, seq, run)])
    return seq


def _insert_events(
    connection: sqlite3.Connection, entries: Sequence[Entry], bills: Sequence[Bill]
) -> list[int]:
    """`bills`: of the budgets they took from."""
    values: list[Any] = []
    for entry in entries:
        line = entry.source
        values += (line.call_id, line.kind._value_, line.at, bytearray(entry.body), NONE)
    if bills:
        told = written(entries, bills)
        values[3::5], values[4::5] = [bytearray(body) for body, _ in told], [one for _, one in told]
    seqs: list[int] = []
    for chunk in chunks(values, 5):
        count = len(chunk) // 5
        last = connection.execute(statement(EVENT, EVENT_ROW, count), chunk).lastrowid
        assert last is not None
        # Rows of one statement get consecutive numbers: nobody else writes meanwhile, nothing is deleted.
        seqs += range(last - count + 1, last + 1)
    return seqs


def _insert_payloads(
    connection: sqlite3.Connection,
    results: Sequence[int | str | Refused],
    having: Sequence[tuple[int, Payload]],
    sealed: Sequence[Kept],
) -> None:
    """Of the lines that were written. `having`: which line has which."""
    values: list[Any] = []
    for (at, payload), kept in zip(having, sealed, strict=True):
        seq = results[at]
        if isinstance(seq, int):
            values += (
                seq * PAYLOADS + payload.kind,
                kept.ref,
                bytearray(kept.key),
                bytearray(kept.data),
            )
    for chunk in chunks(values, 4):
        connection.execute(statement(PAYLOAD, PAYLOAD_ROW, len(chunk) // 4), chunk)


def _insert_calls(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    for chunk in chunks(rows):
        connection.execute(statement(CALL, CALL_ROW, len(chunk)), flat(chunk))


def _move_calls(connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
    """How many there were."""
    moved = 0
    for chunk in chunks(rows):
        moved += connection.execute(
            statement(MOVE, MOVE_ROW, len(chunk), MOVED), flat(chunk)
        ).rowcount
    return moved


def _call_row(line: Line, record: CallRecord, seq: int, run: int) -> Row:
    return [
        seq,
        seq,
        line.call_id,
        line.kind._value_,
        record.agent,
        record.server,
        record.tier,
        record.task,
        line.at,
        _settled_at(line),
        run,
        record.grant,
    ]


def _move_row(line: Line, first: int, current: State, seq: int, run: int) -> Row:
    sends = run if line.kind is State.INTENT else NONE
    said = line.kind._value_
    return [first, line.call_id, current._value_, said, seq, _settled_at(line), sends]


def _settled_at(line: Line) -> int | str:
    return NONE if line.kind in UNSETTLED else line.at
