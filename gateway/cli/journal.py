"""`bulkhead journal`: read what was asked, decided and done, also while a gateway writes.
`settle` and `forget` write."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway import settings
from gateway.cli import journal_forget, journal_settle
from gateway.cli import journal_text as told
from gateway.cli.journal_options import call_filter, filter_options
from gateway.cli.options import print_json, usual_options
from gateway.cli.reading import PAGE, call_named, lines_after, reader_of
from gateway.ports import CallFilter, CallRow, EventRow
from gateway.values import as_plain

if TYPE_CHECKING:
    from gateway.journals.sqlite import SqliteReader

POLL_SECONDS: Final = 0.25

Shown = tuple[EventRow, CallRow]


@click.group()
def command() -> None:
    """Read what was asked, decided and done."""


@command.command("list")
@usual_options
@filter_options
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=40, show_default=True)
def list_calls(config: Path, as_json: bool, limit: int, **which: Any) -> None:
    """Calls, newest first."""
    found = reader_of(settings.load(config)).calls(call_filter(**which), limit + 1)
    calls = found[:limit]
    if as_json:
        print_json([_call_json(call) for call in calls])
    else:
        told.print_calls(calls)
    if len(found) > limit:
        click.echo(f"bulkhead: the newest {limit}; -n shows more", err=True)


@command.command()
@usual_options
@click.argument("call_id")
def show(config: Path, as_json: bool, call_id: str) -> None:
    """One call as a story. CALL_ID may be shortened to its first 6 characters or more."""
    reader = reader_of(settings.load(config))
    call = call_named(call_id, reader)
    lines = reader.lines(call.record.call_id)
    if as_json:
        told_lines = [{"seq": line.seq, "line": line.said} for line in lines]
        print_json({**_call_json(call), "lines": told_lines})
    else:
        told.print_story(call, lines)


@command.command()
@usual_options
@filter_options
@click.option(
    "-n", "--lines", "count", type=click.IntRange(0, 100_000), default=10, show_default=True
)
@click.option("-f", "--follow", is_flag=True, help="Stay, and print lines as they are written.")
def tail(config: Path, as_json: bool, count: int, follow: bool, **which: Any) -> None:
    """The latest lines, one per line."""
    reader, where = reader_of(settings.load(config)), call_filter(**which)
    last = reader.last_seq()
    for line, call in _latest(reader, where, last, count):
        _print_line(line, call, as_json)
    while follow:
        fresh = list(lines_after(reader, last))
        for line, call in _matching(reader, where, fresh):
            _print_line(line, call, as_json)
        last = fresh[-1].seq if fresh else last
        sys.stdout.flush()
        time.sleep(POLL_SECONDS)


@command.command()
@usual_options
@filter_options
@click.option(
    "--after",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    help="Start after this sequence number.",
)
@click.option("-n", "--limit", type=click.IntRange(1), help="Stop after so many lines.")
def export(config: Path, as_json: bool, after: int, limit: int | None, **which: Any) -> None:
    """Every line as JSON, one per line: {"seq": N, "line": {...}}, `line` byte for byte as stored.

    Take the last "seq" as the next --after: nothing is missed and nothing comes twice. The output is
    JSON with or without --json.
    """
    reader = reader_of(settings.load(config))
    lines = _matching(reader, call_filter(**which), lines_after(reader, after))
    for printed, (line, _) in enumerate(lines, start=1):
        click.echo(_exported(line))
        if printed == limit:
            break


command.add_command(journal_settle.command, "settle")
command.add_command(journal_forget.command, "forget")


def _latest(reader: SqliteReader, where: CallFilter, last: int, count: int) -> list[Shown]:
    """The last `count` lines up to `last` that fit, oldest first: looked for backwards, page by page."""
    found: list[Shown] = []
    while last > 0 and len(found) < count:
        start = max(last - PAGE, 0)
        found = [*_matching(reader, where, reader.events(start, last - start)), *found]
        last = start
    return found[-count:] if count else []


def _matching(
    reader: SqliteReader, where: CallFilter, lines: Iterable[EventRow]
) -> Iterator[Shown]:
    """Each line with its call, if the call fits the filter as it stands now."""
    for line in lines:
        call = reader.call(line.call_id)
        if call is not None and where.fits(call):
            yield line, call


def _print_line(line: EventRow, call: CallRow, as_json: bool) -> None:
    click.echo(_exported(line) if as_json else told.one_line(line, call))


def _exported(line: EventRow) -> str:
    # The body is ASCII with control characters escaped (journals/form.py): safe to print as it is.
    return f'{{"seq":{line.seq},"line":{line.body.decode("ascii")}}}'


def _call_json(call: CallRow) -> dict[str, Any]:
    return {
        **as_plain(call.record),
        "state": call.state.value,
        "created_at": call.created_at,
        "settled_at": call.settled_at,
        "outcome": dict(call.outcome),
    }
