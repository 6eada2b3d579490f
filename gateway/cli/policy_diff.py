"""`bulkhead policy diff`: what two policies decide otherwise, over all they tell apart.

Exit status 0: nothing. 1: something. 2: unreadable files.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from gateway import settings
from gateway.cli.options import print_json, usual_options
from gateway.cli.visible import visible
from gateway.policy import load
from gateway.policy.diff import ORDER, Change, Said, diff
from gateway.policy.diff_entries import Entry, entries
from gateway.values import as_plain

DIRECTORY: Final = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("diff")
@click.argument("old", type=DIRECTORY)
@click.argument("new", type=DIRECTORY)
@usual_options
def command(old: Path, new: Path, config: Path, as_json: bool) -> None:
    """What the policies in two directories decide otherwise, for every agent and everything there is to call.

    Asked are all roles, tiers, servers, tools, intents and destinations either speaks of, and one of each
    kind that neither names. Exit status 0: nothing is decided otherwise. 1: something is.
    """
    servers = settings.load(config).servers
    before, after = load(old, servers), load(new, servers)
    changes, others = diff(before, after), entries(before, after)
    if as_json:
        print_json(
            {
                "decisions": [_as_json(change) for change in changes],
                "entries": [as_plain(entry) for entry in others],
            }
        )
    else:
        _print(changes, others)
    sys.exit(1 if changes or others else 0)


def _as_json(change: Change) -> dict[str, object]:
    def said(answer: Said) -> dict[str, str]:
        return dict(zip(("answer", "rule", "where"), answer, strict=True))

    cells = dict(zip(ORDER, change.cells, strict=True))
    return {"old": said(change.old), "new": said(change.new), "when": change.when, **cells}


def _print(changes: Sequence[Change], others: Sequence[Entry]) -> None:
    for change in changes:
        click.echo(f"{_said(change.old)} -> {_said(change.new)}")
        for name, words in zip(ORDER, change.cells, strict=True):
            click.echo(f"    {name:<12} {visible(', '.join(words))}")
        if change.when:
            click.echo(f"    {'when':<12} {change.when}")
    for entry in others:
        was = placed(visible(entry.old), entry.old_where)
        click.echo(f"{visible(entry.what)}: {was} -> {placed(visible(entry.new), entry.new_where)}")
    click.echo(f"{len(changes)} decisions and {len(others)} entries differ")


def _said(said: Said) -> str:
    answer, rule, where = said
    return placed(f"{answer} {rule}".rstrip(), where)


def placed(text: str, where: str) -> str:
    """With where it stands, if it stands anywhere."""
    return f"{text} ({where})" if where else text
