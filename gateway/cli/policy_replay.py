"""`bulkhead policy replay`: what another policy would have said to the calls in the journal.

Exit status 0: the same. 1: some would be decided otherwise. 3: none that can be told, but some cannot be.
2: unreadable files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from gateway import settings
from gateway.cli.journal_options import Since
from gateway.cli.options import print_json, usual_options
from gateway.cli.policy_diff import placed
from gateway.cli.reading import pages, reader_of
from gateway.cli.visible import visible
from gateway.errors import Misconfigured
from gateway.policy import load
from gateway.policy.recalling import Recalling
from gateway.policy.rehearse import Rehearsal
from gateway.policy.replay import Group, Kind, Replayed, replay
from gateway.settings import Settings
from gateway.values import as_plain

CHANGED: Final = 1
UNTOLD: Final = 3
TITLES: Final[dict[Kind, str]] = {
    "changed": "decided otherwise",
    "untold": "cannot be told",
    "same": "the same, by another rule",
}


@click.command("replay")
@click.argument("new", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--since", type=Since(), help="Calls begun since: 10m, 2h, 3d, or an ISO time.")
@usual_options
def command(new: Path, since: int | None, config: Path, as_json: bool) -> None:
    """Ask the policy in the directory NEW about every recorded call, and say where it answers otherwise.

    Exit status 0: nowhere. 1: somewhere. 3: nowhere that can be told, but for some calls the journal did
    not keep what the answer depends on. Grants, budgets, fences and the flow of labels are not asked.
    """
    loaded = settings.load(config)
    rehearsal = Rehearsal(load(new, loaded.servers), loaded.companions)
    done = replay(rehearsal, recalling(loaded, since))
    if as_json:
        _print_json(done)
    else:
        _print(done)
    sys.exit(CHANGED if done.counts["changed"] else UNTOLD if done.counts["untold"] else 0)


def recalling(loaded: Settings, since: int | None) -> Recalling:
    """The calls of the journal, opened with the key beside it. Raises `Misconfigured` without one."""
    from gateway.journals.protect import Protector

    reader = reader_of(loaded)
    if not (loaded.state_dir / "secrets" / "journal.key").exists():
        raise Misconfigured("no key beside the journal: what is sealed in it cannot be opened")
    unseal = Protector.open(loaded.state_dir).unseal
    recent = ([line for line in page if line.at >= (since or 0)] for page in pages(reader))
    return Recalling(recent, reader.opened, unseal)


def _print_json(done: Replayed) -> None:
    groups = {kind: [as_plain(group) for group in done.groups(kind)] for kind in TITLES}
    print_json({"calls": done.total, **done.counts, "groups": groups})


def _print(done: Replayed) -> None:
    for kind, title in TITLES.items():
        groups = done.groups(kind)
        if groups:
            click.echo(f"{title}:")
        for group in groups:
            _print_group(group)
    counts = done.counts
    click.echo(
        f"{done.total} calls: {counts['same']} the same, {counts['changed']} decided otherwise,"
        f" {counts['untold']} cannot be told, {counts['beside']} never came to a policy"
    )


def _print_group(group: Group) -> None:
    old, new = placed(group.old, group.old_where), placed(group.new, group.new_where)
    click.echo(f"  {group.count:>7}  {visible(old)} -> {visible(new)}")
    if group.why:
        click.echo(f"           not known: {visible(group.why)}")
    click.echo(f"           {' '.join(visible(call) for call in group.calls)}")
