"""`bulkhead fence`: what is stopped, and letting go of it again. `bulkhead contain` sets fences."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from gateway import settings
from gateway.app.clock import microseconds
from gateway.cli import named
from gateway.cli.operators import operator_option
from gateway.cli.options import F, tell, usual_options
from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.core.fence import Fence, Scope
from gateway.core.model import Tier
from gateway.fences.log import FenceLog
from gateway.values import as_plain


def scope_options(command: F) -> F:
    """`--agent --task --grant --server --tier --tenant --all`, each given as often as one likes."""
    tiers = click.Choice([tier.value for tier in Tier])
    for option in (
        click.option("--all", "everything", is_flag=True, help="Everything there is."),
        click.option(
            "--tenant",
            multiple=True,
            help="Of this tenant alone; by itself: all of it. '*': of any.",
        ),
        click.option("--tier", multiple=True, type=tiers, help="All calls of a tier."),
        click.option("--server", multiple=True, help="All calls to a tool server."),
        click.option("--grant", multiple=True, help="A grant, and all below it."),
        click.option("--task", multiple=True, help="A task."),
        click.option("--agent", multiple=True, help="An agent; agent: may be left out."),
    ):
        command = option(command)
    return command


def fences_of(
    by: str, why: str, everything: bool, tenant: tuple[str, ...], **scope: tuple[str, ...]
) -> list[Fence]:
    """What was named, as fences: of these tenants, where it is not they that are named. Raises `click.UsageError`
    when nothing was, or what no tenant narrows."""
    at, whose = microseconds(), ["" if each == named.ANY else each for each in tenant]
    if tenant and (everything or scope["grant"]):
        raise click.UsageError(
            "--tenant goes with neither --all nor --grant, which is of one tenant"
        )
    wanted = [Fence("all", "", by, why, at)] if everything else []
    for kind in get_args(Scope):
        for value in scope.get(kind, ()):
            what = named.agent(value) if kind == "agent" else value
            wanted += [Fence(kind, what, by, why, at, of) for of in whose or [""]]
    wanted = wanted or [Fence("tenant", each, by, why, at) for each in tenant]
    if not wanted:
        raise click.UsageError(
            "name what: --agent, --task, --grant, --server, --tier, --tenant, --all"
        )
    return wanted


@click.group()
def command() -> None:
    """See what is stopped, and let go of it again."""


@command.command("list")
@usual_options
def list_fences(config: Path, as_json: bool) -> None:
    """What is stopped now, oldest first."""
    standing = FenceLog(settings.load(config).state_dir).read()
    _tell(as_json, standing)


@command.command()
@scope_options
@click.option("--why", default="", help="For the journal.")
@operator_option
@usual_options
def lift(
    config: Path, as_json: bool, operator: str, why: str, everything: bool, **scope: Any
) -> None:
    """Let go again of what is named as `fence list` has it. Grants that were revoked stay so.

    Exit status 1: one of them does not stand.
    """
    wanted = fences_of(operator, why, everything, **scope)
    loaded = settings.load(config)
    log = FenceLog(loaded.state_dir)
    standing, missing = _standing(log.read(), wanted, anybodys=not scope["tenant"])
    lifted = asyncio.run(_lift(loaded, log, standing, operator, why)) if standing else ()
    _tell(as_json, lifted)
    for fence in missing:
        click.echo(f"bulkhead: no such fence stands: {visible(fence)}", err=True)
    if missing:
        raise SystemExit(1)


def _standing(
    log: Sequence[Fence], wanted: Sequence[Fence], *, anybodys: bool
) -> tuple[list[Fence], list[Fence]]:
    """Of what is wanted, which stand, and which do not. `anybodys`: no tenant was named, so that the only one of
    its name is meant. Raises `click.UsageError` where there are several."""
    standing, missing = list[Fence](), list[Fence]()
    for fence in wanted:
        found = [each for each in log if (each.scope, each.value) == (fence.scope, fence.value)]
        found = [each for each in found if anybodys or each.tenant == fence.tenant]
        if len(found) > 1:
            tenants = ", ".join(each.tenant or f"'{named.ANY}'" for each in found)
            raise click.UsageError(
                f"{visible(fence)} is fenced {len(found)} times: say --tenant, of {tenants}"
            )
        standing += found
        missing += [] if found else [fence]
    return standing, missing


async def _lift(
    loaded: settings.Settings, log: FenceLog, standing: Sequence[Fence], operator: str, why: str
) -> Sequence[Fence]:
    from gateway.app.contain import open_desk

    async with open_desk(loaded, log) as desk:
        return await desk.lift(standing, operator, why)


def _tell(as_json: bool, fences: Sequence[Fence]) -> None:
    tell(as_json, [as_plain(fence) for fence in fences], map(_line, fences))


def _line(fence: Fence) -> str:
    why = f": {visible(fence.why)}" if fence.why else ""
    return f"{visible(fence)}  since {when(fence.at)} by {visible(fence.by)}{why}"
