"""Takes the journal's lines to a sink, in order, from where the sink has got to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from gateway.errors import JournalError, Misconfigured
from gateway.export.ocsf import event, uid
from gateway.export.sinks import Event, Reached, Sink
from gateway.ports import CallRow, EventRow, JournalReader

BATCH: Final = 500


def catch_up(reader: JournalReader, sink: Sink, product_version: str) -> int:
    """Deliver every line there is. Returns how many. Raises `Undelivered`, `JournalError`, `Misconfigured`.

    What was delivered before a failure stays delivered, and the next call goes on behind it."""
    reached = sink.reached()
    _require_same(reader, reached)
    delivered, after = 0, reached.number
    while rows := reader.events(after, BATCH):
        sink.deliver(_events(reader, rows, product_version))
        delivered, after = delivered + len(rows), rows[-1].seq
    return delivered


def _require_same(reader: JournalReader, reached: Reached) -> None:
    """An older copy of the journal goes on under numbers that were delivered already: all these would be missed."""
    found = reader.events(reached.number - 1, 1) if reached.number else ()
    if reached.number and not (found and reached.uid in ("", uid(found[0]))):
        raise Misconfigured(
            f"line {reached.number} was delivered last, and in the journal it is missing or another: an older copy was"
            " put there. Begin a new file; for a collector remove its export-*.cursor in the state directory"
        )


def _events(reader: JournalReader, rows: Sequence[EventRow], version: str) -> list[Event]:
    @cache
    def call(call_id: str) -> CallRow:
        found = reader.call(call_id)
        if found is None:
            raise JournalError(f"a line belongs to call {call_id}, and there is none")
        return found

    return [event(row, call(row.call_id), version) for row in rows]
