"""`bulkhead contain`: stop an agent, a task, or more, at once; then see to what it has done.

The fence needs no gateway that answers, no free port and no free database: it is one line in a file, on
disk before anything else is asked.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import click

from gateway import settings
from gateway.cli import fence as fences_cli
from gateway.cli import named, whose
from gateway.cli.credentials_text import until
from gateway.cli.journal_options import Since
from gateway.cli.operators import operator_option
from gateway.cli.options import print_json, told_if_it_can_be, usual_options
from gateway.cli.visible import visible
from gateway.core.credential import LeaseState
from gateway.core.fence import Fence
from gateway.core.model import JsonObject
from gateway.errors import JournalError, Misconfigured
from gateway.fences.desk import Contained
from gateway.fences.log import FenceLog

NOT_NAMED: Final = (
    "Nothing is undone: name agents, or tasks, or grants, or servers; or --all with --since."
)
ONLY_FENCED: Final = (
    "The fence stands. What follows from it is not done, or in part: grants may be in force, held calls wait,"
    " nothing is undone. Contain again once this is mended:"
)


@click.command()
@fences_cli.scope_options
@click.option("--why", default="", help="For the journal and other operators.")
@click.option("--since", type=Since(), help="Undo what was done since: 10m, 2h, or an ISO time.")
@click.option("--plan", "only_plan", is_flag=True, help="Stop, and only show what would be undone.")
@click.option("--yes", is_flag=True, help="Undo without asking.")
@click.option("--no-undo", is_flag=True, help="Stop, and leave what was done.")
@operator_option
@usual_options
def command(
    config: Path,
    as_json: bool,
    operator: str,
    why: str,
    since: int | None,
    only_plan: bool,
    yes: bool,
    no_undo: bool,
    everything: bool,
    **scope: Any,
) -> None:
    """Stop at once: no call begins any more, those under way are cut off, held ones refused, grants revoked,
    leave that was given and not used up is closed.

    Then it plans to undo what was done in the named scope, asks, and does it, as `bulkhead rollback`.
    """
    wanted = fences_cli.fences_of(operator, why, everything, **scope)
    if as_json and not (only_plan or yes or no_undo):
        raise click.UsageError("--json asks nothing: give --plan, --yes or --no-undo")
    contained = _contained(settings.load(config), wanted, bool(scope["tenant"]), as_json)
    undo = None if no_undo else _undo(since, **scope)
    if undo is None and not no_undo:
        click.echo(NOT_NAMED, err=True)
    # One document, whatever comes of the undo: that it was contained is told in any case.
    told: JsonObject = {**contained.as_json(), "undo": None, "failed": None}
    try:
        if undo is not None:
            _roll(config, operator, undo, only_plan, yes, told if as_json else None)
    finally:
        if as_json:
            with told_if_it_can_be("contained"):
                print_json(told)


def _contained(
    loaded: settings.Settings, wanted: list[Fence], is_whose: bool, as_json: bool
) -> Contained:
    """`is_whose`: it was said of which tenant. Raises `click.UsageError` for what cannot be or is of several."""
    for fence in wanted:
        named.can_be(loaded, fence)
    if not is_whose:
        whose.of_one(loaded, wanted)
    contained = _stop(loaded, wanted, as_json)
    with told_if_it_can_be("contained"):
        for each in whose.unheard_of(loaded, wanted):
            click.echo(f"bulkhead: {each}", err=True)
        if not as_json:
            _tell(contained)
    return contained


def _roll(
    config: Path,
    operator: str,
    undo: dict[str, Any],
    only_plan: bool,
    yes: bool,
    told: JsonObject | None,
) -> None:
    """As `bulkhead rollback` does it, leaving what changed since; its document becomes a part of ours."""
    from gateway.cli import rollback

    show = None if told is None else lambda document: told.update(undo=document)
    wanted, below = rollback.wanted_of(**undo), "grants" in undo
    asked = rollback.Asked(wanted, below, False, only_plan, None, None, yes, "skip", show)
    rollback.roll(config, operator, asked)


def _stop(loaded: settings.Settings, wanted: list[Fence], as_json: bool) -> Contained:
    """The fences are on disk before anything else is tried. Raises `JournalError`, `Misconfigured`, having told what
    stands then."""
    log = FenceLog(loaded.state_dir)
    log.fence(*wanted)
    with told_if_it_can_be("fenced"):
        for fence in () if as_json else wanted:
            click.echo(f"fenced   {visible(fence)}")
    try:
        return asyncio.run(_follow_up(loaded, log, wanted))
    except (JournalError, Misconfigured) as error:
        with told_if_it_can_be("fenced"):
            click.echo(ONLY_FENCED, err=True)
            if as_json:
                fenced = Contained(tuple(wanted), (), (), ()).as_json()
                print_json({**fenced, "undo": None, "failed": str(error)})
        raise


async def _follow_up(loaded: settings.Settings, log: FenceLog, wanted: list[Fence]) -> Contained:
    from gateway.app.contain import open_desk

    async with open_desk(loaded, log) as desk:
        return await desk.contain(wanted)


def _tell(contained: Contained) -> None:
    for grant in contained.revoked:
        click.echo(f"revoked  grant {grant} and all below it")
    for call in contained.unsent:
        click.echo(f"refused  held call {call}: it is never sent")
    for ticket in contained.closed:
        click.echo(f"closed   ticket {ticket}: its leave was not used up")
    for call in contained.under_way:
        click.echo(f"still under way: call {call}", err=True)
    for lease in contained.credentials:
        about = f"credential {lease.id} of server {visible(lease.server)}"
        if lease.state is LeaseState.REVOKED:
            click.echo(f"revoked  {about}")
        else:
            click.echo(f"not revoked: {about}: {lease.state}, {until(lease)}", err=True)


def _undo(since: int | None, **scope: tuple[str, ...]) -> dict[str, Any] | None:
    """The same scope, as `bulkhead rollback` names it; None when it cannot be named, or is too wide.
    Several kinds are stopped each, and would be undone only where all of them meet."""
    scopes = {kind: scope[kind] for kind in ("agent", "task", "grant", "server") if scope[kind]}
    of_tenants = scope["tenant"]
    if scope["tier"] or len(scopes) > 1 or not (scopes or (since and not of_tenants)):
        return None
    named_so = {f"{kind}s": values for kind, values in scopes.items()}
    return {**named_so, "tenants": of_tenants, "since": since}
