"""`bulkhead journal forget`: what was kept of calls is destroyed; that they were made, and how they ended, stays."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway import settings
from gateway.cli.named import ANY
from gateway.cli.operators import operator_option
from gateway.cli.options import print_json, usual_options
from gateway.cli.reading import call_named
from gateway.cli.visible import visible
from gateway.core.record import UNSETTLED

if TYPE_CHECKING:
    from gateway.ports import CallRow

NOT_YET: Final = 5


@click.command()
@usual_options
@operator_option
@click.option("--call", "calls", multiple=True, metavar="CALL", help="One call; may be repeated.")
@click.option(
    "--subject", metavar="TEXT",
    help="Every call of an agent (agent:NAME), or that holds this text: a name, an address.",
)  # fmt: skip
@click.option("--tenant", help="With --subject: what is of this tenant alone; '*': of any.")
@click.option("--dry-run", is_flag=True, help="Say which calls, and change nothing.")
def command(
    config: Path,
    as_json: bool,
    operator: str,
    calls: tuple[str, ...],
    subject: str | None,
    tenant: str | None,
    dry_run: bool,
) -> None:
    """Destroy arguments, results and images of calls, for good.

    The lines stay, and every proof and warrant of them holds; what they said can no longer be read, and
    the calls can no longer be undone. Copies made before (backups, exports) are yours to destroy. Exit
    status 5: a call is not over yet, or somebody kept the write-ahead log in use, so do it again.
    """
    if bool(calls) == bool(subject):
        raise click.UsageError("give --call or --subject")
    if tenant and not subject:
        raise click.UsageError("--tenant goes with --subject")
    found, certain = asyncio.run(_forget(config, operator, calls, subject or "", tenant, dry_run))
    left = [row for row in found if row.state in UNSETTLED]
    chosen = [row for row in found if row.state not in UNSETTLED]
    if as_json:
        ids = {"calls": _ids(chosen), "left": _ids(left)}
        print_json({**ids, "forgotten": not dry_run, "certain": certain})
    else:
        _tell(chosen, dry_run)
    for row in left:
        said = f"{row.record.call_id} is not over ({row.state}), and keeps what it says until then"
        click.echo(f"bulkhead: {said}: again, please", err=True)
    if not certain:
        click.echo(
            "bulkhead: the journal's log is in use and still holds them: again, please", err=True
        )
    sys.exit(NOT_YET if not certain or (left and not dry_run) else 0)


def _tell(chosen: Sequence[CallRow], dry_run: bool) -> None:
    for row in chosen:
        whose = f"{visible(row.record.agent)} {visible(row.record.target)}"
        click.echo(f"{row.record.call_id}  {whose}")
    click.echo(f"{len(chosen)} calls {'would be ' if dry_run else ''}forgotten")


async def _forget(
    config: Path,
    operator: str,
    calls: Sequence[str],
    subject: str,
    tenant: str | None,
    dry_run: bool,
) -> tuple[list[CallRow], bool]:
    from gateway.app.forget import open_forgetting

    async with open_forgetting(settings.load(config)) as forgetting:
        named = [call_named(call, forgetting.reader) for call in calls]
        found = _of_tenant(forgetting.calls_of(subject), subject, tenant) if subject else named
        chosen = [row for row in found if row.state not in UNSETTLED]
        if dry_run:
            return found, True
        # Also where nothing is left to forget: what was, an earlier try may not have got out of the log.
        return found, await forgetting.forget(chosen, operator)


def _ids(rows: Sequence[CallRow]) -> list[str]:
    return [row.record.call_id for row in rows]


def _of_tenant(rows: list[CallRow], subject: str, tenant: str | None) -> list[CallRow]:
    """What is that tenant's. Raises `click.UsageError` for agents of several, where none is named."""
    if tenant not in (None, ANY):
        return [row for row in rows if row.record.tenant == tenant]
    tenants = sorted({row.record.tenant for row in rows if row.record.agent == subject})
    if tenant is None and len(tenants) > 1:
        raise click.UsageError(f"{visible(subject)} is of {' and '.join(tenants)}: say --tenant")
    return rows
