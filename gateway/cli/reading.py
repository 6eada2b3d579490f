"""The journal of a gateway, for commands that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.journals.sqlite import SqliteReader


def reader_of(loaded: Settings) -> SqliteReader:
    """Closed when the command ends. Raises `Misconfigured` when there is no journal."""
    from gateway.journals.sqlite import SqliteReader

    reader = SqliteReader(loaded.journal_file)
    click.get_current_context().call_on_close(reader.close)
    return reader
