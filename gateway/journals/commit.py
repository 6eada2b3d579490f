"""One batch of lines as one SQLite transaction: the SQL of the hot insert, many rows to a statement (rows.py).

A statement that fails takes its batch with it, so none needs to be able to undo itself (OR FAIL): SQLite would
copy every page it touches, to a file of its own, for that.
`event` gets every line, and each move of a call is judged before: by what is known (standing.py) while nobody else
writes, by the file where that cannot tell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.core.record import WORDS, IllegalMove, Line, State, move
from gateway.errors import Refused
from gateway.journals import claims, filing
from gateway.journals.budgets import Bill, written
from gateway.journals.entry import Entry
from gateway.journals.ledger import Ledger
from gateway.journals.payloads import PAYLOADS, REF, Keeper, Payload
from gateway.journals.rows import Many
from gateway.journals.standing import Ahead, Standing, Unclear

EVENTS: Final = Many(
    # A text is bound with the least ado, and ASCII is the same as bytes.
    "INSERT OR FAIL INTO event (call_id, kind, at, body) VALUES ",
    "(?, ?, ?, CAST(? AS BLOB))",
)
SPENDING: Final = Many(
    "INSERT OR FAIL INTO event (call_id, kind, at, body, spent) VALUES ",
    "(?, ?, ?, CAST(? AS BLOB), ?)",
)
"""Where any of the lines spends."""
PAYLOADS_OF: Final = Many(
    "INSERT OR FAIL INTO payload (id, ref, key, data) VALUES ", f"(?, '{REF}', ?, ?)"
)
KNOWN: Final = Many(
    # IN would sort them into a table of its own first.
    "WITH begun (call_id) AS (VALUES ",
    "(?)",
    ") SELECT 1 FROM begun CROSS JOIN calls USING (call_id)",
)
STATE: Final = "SELECT state FROM calls WHERE call_id = ?"

Work = Callable[[sqlite3.Connection], Any]
"""What is done in the lines' transaction beside them. It begins and ends none."""

_LINE_AT_FAULT: Final = (sqlite3.IntegrityError, UnicodeError, OverflowError)


def write(
    ledger: Ledger,
    standing: Standing,
    entries: Sequence[Entry],
    keeper: Keeper,
    works: Sequence[Work] = (),
) -> tuple[Sequence[int | str | Refused], list[Any]]:
    """Per line its sequence number, or why it was refused: `Refused` for a claim that does not hold. And what
    the works made, after the lines.

    Durable on return. Raises `sqlite3.Error` when nothing of it was written."""
    lines = [entry.source for entry in entries]
    apart = [(at, payload) for at, entry in enumerate(entries) for payload in entry.payloads]
    sealed = keeper.seal_all([payload for _, payload in apart])
    _begin(ledger, standing, sure=False)
    results: Sequence[int | str | Refused]
    ahead: Ahead | None
    try:
        ahead = standing.follow(lines, ledger.upcoming)
        results = seqs = _together(ledger, ahead.begun, entries, lines)
    except (Unclear, Refused, *_LINE_AT_FAULT):
        ahead = None
        ledger.roll_back()
        _begin(ledger, standing, sure=True)
        filing.file(ledger.connection)
        stands: dict[str, State] = {}
        results = [_alone(ledger, entry, stands) for entry in entries]
        seqs = [result for result in results if isinstance(result, int)]
    if sealed:
        _insert_payloads(ledger.cursor, results, apart, sealed)
    made = [work(ledger.connection) for work in works]
    ledger.commit(seqs)
    if ahead is None:
        standing.note_each(lines, results)
    else:
        standing.note(ahead)
    return results, made


def file(ledger: Ledger, standing: Standing) -> None:
    """The table of calls is as of the last line. Raises `sqlite3.Error`."""
    _begin(ledger, standing, sure=True)
    filing.file(ledger.connection, standing.rows())
    ledger.commit(())
    standing.filed()


def _begin(ledger: Ledger, standing: Standing, sure: bool) -> None:
    since = ledger.begin(sure)
    if since is None:
        filing.file(ledger.connection)
        standing.forget()
    elif since:
        standing.heard([call_id for _, _, call_id in since])


def _together(
    ledger: Ledger, begun: Sequence[str], entries: Sequence[Entry], lines: Sequence[Line]
) -> list[int]:
    _check_new(ledger.cursor, begun)
    claimed = [claim for line in lines for claim in line.claims]
    bills = claims.take(ledger, claimed) if claimed else ()
    seqs = _insert_events(ledger.cursor, entries, bills)
    if seqs and not ledger.is_current(seqs[0]):
        raise Unclear
    return seqs


def _check_new(cursor: sqlite3.Cursor, begun: Sequence[str]) -> None:
    """None of these calls is filed already."""
    for text, some in KNOWN.over(begun):
        if cursor.execute(text, some).fetchone():
            raise Unclear


def _alone(ledger: Ledger, entry: Entry, stands: dict[str, State]) -> int | str | Refused:
    """One line, judged by the file and the lines before it (`stands`); a refused one leaves no trace."""
    ledger.connection.execute("SAVEPOINT line")
    mark = ledger.mark()
    result: int | str | Refused
    try:
        result = _checked(ledger, entry, stands)
    except Refused as no:
        _undo(ledger, mark)
        result = no
    except (IllegalMove, *_LINE_AT_FAULT) as error:
        _undo(ledger, mark)
        result = f"call {entry.line.call_id}: {type(error).__name__}: {error}"
    ledger.connection.execute("RELEASE line")
    return result


def _undo(ledger: Ledger, mark: int) -> None:
    ledger.connection.execute("ROLLBACK TO line")
    ledger.back_to(mark)


def _checked(ledger: Ledger, entry: Entry, stands: dict[str, State]) -> int:
    line, connection = entry.source, ledger.connection
    current = stands.get(line.call_id)
    if current is None:
        row = connection.execute(STATE, (line.call_id,)).fetchone()
        current = State(row[0]) if row else None
    move(current, line.kind)
    if (current is None) is not (line.record is not None):
        raise IllegalMove("the first line has the record, and no other")
    [seq] = _insert_events(ledger.cursor, [entry], claims.take(ledger, line.claims))
    stands[line.call_id] = line.kind
    return seq


def _insert_events(
    cursor: sqlite3.Cursor, entries: Sequence[Entry], bills: Sequence[Bill]
) -> list[int]:
    """`bills`: of the budgets they took from."""
    values: list[Any] = []
    for entry in entries:
        line = entry.source
        values += (line.call_id, WORDS[line.kind], line.at, entry.body)
    many = EVENTS
    if bills:
        many, values = SPENDING, _with_spends(values, written(entries, bills))
    seqs: list[int] = []
    for text, some in many.over(values):
        last = cursor.execute(text, some).lastrowid
        assert last is not None
        # Rows of one statement get consecutive numbers: nobody else writes meanwhile, nothing is deleted.
        seqs += range(last - len(some) // many.width + 1, last + 1)
    return seqs


def _with_spends(values: Sequence[Any], told: Sequence[tuple[str, str]]) -> list[Any]:
    """The same rows, each with what it spends told in it and beside it."""
    before = zip(values[0::4], values[1::4], values[2::4], strict=True)
    return [value for one, last in zip(before, told, strict=True) for value in one + last]


def _insert_payloads(
    cursor: sqlite3.Cursor,
    results: Sequence[int | str | Refused],
    apart: Sequence[tuple[int, Payload]],
    sealed: Sequence[tuple[bytearray, bytearray]],
) -> None:
    """Of the lines that were written. `apart`: all, each with its line's place in the batch."""
    values: list[Any] = []
    for (at, payload), (key, data) in zip(apart, sealed, strict=True):
        if isinstance(seq := results[at], int):
            values += (seq * PAYLOADS + payload.kind, key, data)
    for text, some in PAYLOADS_OF.over(values):
        cursor.execute(text, some)
