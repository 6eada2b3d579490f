"""How `bulkhead servers` tells what it found. Every word of a tool server is made visible before it is shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import click
from rich import table as rich_table
from rich.text import Text

from gateway.catalogue.fetch import Lists
from gateway.catalogue.names import public_name
from gateway.catalogue.review import Review, whole_digest
from gateway.catalogue.text import printable, spelt_out
from gateway.cli.journal_text import console
from gateway.cli.visible import visible
from gateway.core.resolve import Table
from gateway.settings import ServerSettings

COLOURS: Final = {
    "approved": "green",
    "new": "yellow",
    "changed": "red",
    "unfit": "red",
    "gone": "magenta",
    "unread": "magenta",
}
COUNTED: Final = [status for status in COLOURS if status != "unread"]
Row = dict[str, Any]


def summary(
    name: str, settings: ServerSettings, read: Lists, reviews: Sequence[Review], table: Table
) -> Row:
    """One server on one line, JSON-ready."""
    counts = Counter[str](r.status for r in reviews)
    return {
        "server": name,
        "transport": "stdio" if settings.command else settings.transport,
        "state": "failing" if read.problems else "ready",
        "tools": sum(r.target.kind == "tool" and r.live is not None for r in reviews),
        **{status: counts[status] for status in COUNTED},
        "disputed": [
            f"{kind} {claimed}: {why}"
            for (kind, claimed), why in table.aggregate.disputed.items()
            if any(r.target.name == claimed or _public_name(r) == claimed for r in reviews)
        ],
        "error": next(iter(read.problems.values()), None),
    }


def print_summaries(rows: Sequence[Row]) -> None:
    """A table, a server per row; errors below it."""
    table = rich_table.Table(box=None, pad_edge=False, header_style="bold")
    columns = ("server", "transport", "state", "tools", *COUNTED)
    for column in columns:
        table.add_column(column.capitalize())
    for row in rows:
        cells = [Text(str(row[column] or "-")) for column in columns]
        for cell, column in zip(cells, columns, strict=True):
            if row[column] and column in COLOURS:
                cell.stylize(COLOURS[column])
        table.add_row(*cells)
    console().print(table)
    for row in rows:
        if row["error"]:
            click.echo(visible(row["error"]), err=True)
    for line in dict.fromkeys(line for row in rows for line in row["disputed"]):
        click.echo(f"not on the aggregate: {visible(line)}", err=True)


def print_inspection(name: str, read: Lists, reviews: Sequence[Review], full: bool) -> None:
    """One server's descriptors, one after the other, and the digest to approve them by."""
    for one in reviews:
        _print_one(one, full)
    for problem in dict.fromkeys(read.problems.values()):
        click.secho(visible(problem), fg="red")
    pending = sum(r.pending for r in reviews)
    click.echo(
        f"{len(reviews)} in all, {pending} to approve. All that is listed now: {whole_digest(reviews)}"
    )
    if pending:
        click.echo(f"bulkhead servers approve {name} --all --digest {whole_digest(reviews)}")


def print_choice(
    name: str,
    read: Lists,
    reviews: Sequence[Review],
    chosen: Sequence[Review],
    dropped: Sequence[Review],
) -> None:
    """What is about to be approved, and what an operator should know beside it."""
    for one in chosen:
        _print_one(one, True)
    for one in reviews:
        if one.status in ("unfit", "gone", "unread"):
            why = "to be forgotten" if one in dropped else printable(one.note) or "no longer listed"
            click.secho(f"{one.status}: {visible(one.target.policy_name)}: {why}", fg="magenta")
    for problem in dict.fromkeys(read.problems.values()):
        click.secho(visible(problem), fg="red")
    if not chosen and not dropped:
        click.echo(f"{name}: nothing to approve.")


def _print_one(one: Review, full: bool) -> None:
    click.secho(f"{one.status:9}", fg=COLOURS[one.status], nl=False)
    click.echo(f" {visible(one.target.policy_name)}{_public(one)}")
    if one.note:
        click.echo(f"    {printable(one.note)}")
    for flag in one.flags:
        click.secho(f"    look twice: {visible(flag)}", fg="yellow")
    if one.live is not None and one.pending:
        click.echo(f"    digest {one.live.digest}")
    for difference in one.differences:
        click.echo(f"    {visible(difference.field)}:")
        for line in difference.lines:
            colour = {"+": "green", "-": "red"}.get(line[:1])
            click.secho(f"      {printable(line)}", fg=colour)
    if one.live is not None and (one.status == "new" or (full and not one.differences)):
        text = spelt_out(json.dumps(one.live.raw, indent=2, ensure_ascii=False))
        click.echo("".join(f"    {printable(line)}\n" for line in text.split("\n")), nl=False)


def _public(one: Review) -> str:
    name = _public_name(one)
    return f"  ({name})" if name else ""


def _public_name(one: Review) -> str:
    if one.target.kind not in ("tool", "prompt"):
        return ""
    return public_name(one.target.server, one.target.name)


def print_draft(draft: str) -> None:
    """The proposal for tiers.yaml, set apart."""
    click.secho("\ntiers.yaml says nothing of this server yet. A draft to start from:\n", bold=True)
    click.echo(printable(draft), nl=False)


def as_json(name: str, read: Lists, reviews: Sequence[Review], draft: str) -> Row:
    """All of an inspection, for programs."""
    return {
        "server": name,
        "digest": whole_digest(reviews),
        "problems": read.problems,
        "descriptors": [_one_json(one) for one in reviews],
        "draft_tiers": draft or None,
    }


def names(reviews: Sequence[Review]) -> list[str]:
    """Policy names, in order."""
    return [one.target.policy_name for one in reviews]


def _one_json(one: Review) -> Row:
    return {
        "kind": one.target.kind,
        "name": one.target.name,
        "status": one.status,
        "note": one.note,
        "digest": one.live.digest if one.live else None,
        "approved_digest": one.pin.digest if one.pin else None,
        "flags": one.flags,
        "differences": {d.field: list(d.lines) for d in one.differences},
        "descriptor": one.live.raw if one.live else None,
    }
