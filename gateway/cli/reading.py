"""The journal of a gateway, for commands that read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.visible import visible
from gateway.errors import Refused
from gateway.ports import CallRow, EventRow, JournalReader
from gateway.reasons import Reason
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.journals.sqlite import SqliteReader

PAGE: Final = 1_000


def reader_of(loaded: Settings) -> SqliteReader:
    """Closed when the command ends. Raises `Misconfigured` when there is no journal."""
    from gateway.journals.sqlite import SqliteReader

    reader = SqliteReader(loaded.journal_file)
    click.get_current_context().call_on_close(reader.close)
    return reader


def pages(reader: JournalReader, after: int = 0) -> Iterator[Sequence[EventRow]]:
    """All lines behind this number that there are now, page by page."""
    while page := reader.events(after, PAGE):
        yield page
        after = page[-1].seq


def lines_after(reader: JournalReader, after: int) -> Iterator[EventRow]:
    """The same, line by line."""
    return chain.from_iterable(pages(reader, after))


def call_named(name: str, reader: JournalReader) -> CallRow:
    """By its id, or the beginning of it. Raises `Refused` when there is none, or several."""
    call = reader.call(name)
    if call is None:
        raise no_such("call", name)
    return call


def no_such(what: str, name: str) -> Refused:
    """What is on record goes by no such id: no mistake in a file, so no exit status 2."""
    return Refused(Reason.UNKNOWN_TARGET, f"no {what} {visible(name)}, or more than one")
