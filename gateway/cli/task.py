"""`bulkhead task`: a task is undone unless it is confirmed in time. The gateways that serve keep the deadlines."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import click

from gateway import settings
from gateway.app.clock import microseconds
from gateway.cli import named
from gateway.cli import rollback_text as told
from gateway.cli.operators import operator_option
from gateway.cli.options import config_option, print_json, tell, told_if_it_can_be, usual_options
from gateway.cli.reading import reader_of
from gateway.cli.times import when
from gateway.cli.visible import visible
from gateway.errors import Refused
from gateway.ports import CallFilter
from gateway.reasons import Reason
from gateway.undo.deadlines import SECONDS, Deadlines, Promise
from gateway.undo.report import Report
from gateway.values import as_plain

CONFLICTS_LEFT = 4
"""As `bulkhead rollback`: something is left to a person."""

within = click.option(
    "--within",
    type=click.IntRange(1, 30 * 86_400),
    default=SECONDS,
    show_default=True,
    help="Seconds from now.",
)

tenant_option = click.option(
    "--tenant",
    default="",
    help="Whose task. Without it: the only tenant's that has one of this name.",
)


@click.group()
def command() -> None:
    """Begin a task that is undone unless you confirm it in time."""


@command.command()
@click.argument("task")
@tenant_option
@within
@operator_option
@usual_options
def begin(config: Path, as_json: bool, task: str, tenant: str, within: int, operator: str) -> None:
    """Calls of TASK from now on are undone at the deadline, with this operator's rights, unless confirmed."""
    named.task(task)
    named.tenant(tenant)
    _say(_deadlines(config).begin(task, operator, microseconds(), within, tenant), as_json)


@command.command()
@click.argument("task")
@tenant_option
@usual_options
def confirm(config: Path, as_json: bool, task: str, tenant: str) -> None:
    """What TASK did stays."""
    deadlines = _begun(_deadlines(config), task, tenant)
    _say(deadlines.confirm(task, microseconds(), tenant), as_json)


@command.command()
@click.argument("task")
@tenant_option
@within
@usual_options
def extend(config: Path, as_json: bool, task: str, tenant: str, within: int) -> None:
    """Another deadline for TASK, counted from now."""
    deadlines = _begun(_deadlines(config), task, tenant)
    _say(deadlines.extend(task, microseconds(), within, tenant), as_json)


@command.command()
@click.argument("task")
@tenant_option
@operator_option
@usual_options
def cancel(config: Path, as_json: bool, task: str, tenant: str, operator: str) -> None:
    """Undo TASK now, as far as nothing stands in the way. Exit status as `bulkhead rollback`."""
    report, names = asyncio.run(_cancel(config, task, tenant, operator))
    with told_if_it_can_be(report.summary):
        print_json(report.as_json()) if as_json else told.print_report(report, names)
    sys.exit(report.exit_status)


@command.command()
@click.argument("task")
@tenant_option
@operator_option
@usual_options
def failed(config: Path, as_json: bool, task: str, tenant: str, operator: str) -> None:
    """TASK failed, says whoever runs it: what it did is undone now, if all of it can be and nobody wrote since.

    Also for a task that was never begun: then all it ever did. Else nothing is touched, and it is told why.
    Exit status 4: a person is asked. 1: nobody knows that task.
    """
    named.task(task)
    named.tenant(tenant)
    promise = asyncio.run(_failed(config, task, tenant, operator))
    with told_if_it_can_be(promise.stand):
        _say(promise, as_json)
    sys.exit(0 if promise.stand == "undone" else CONFLICTS_LEFT)


@command.command()
@config_option
def keep(config: Path) -> None:
    """See to tasks whose time is over, once: a gateway that serves runs this when there is one."""
    from gateway.app.undo import keep_overdue

    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    asyncio.run(keep_overdue(settings.load(config)))


@command.command("list")
@usual_options
def list_tasks(config: Path, as_json: bool) -> None:
    """Every task that was begun, by deadline."""
    looked = _deadlines(config).look()
    promises = looked.promises
    tell(as_json, [as_plain(promise) for promise in promises], map(_line, promises))
    for unreadable in looked.unreadable[1:]:
        click.echo(str(unreadable), err=True)
    for unreadable in looked.unreadable[:1]:
        raise unreadable


async def _failed(config: Path, task: str, tenant: str, operator: str) -> Promise:
    from gateway.app.undo import open_rollback
    from gateway.undo.keeping import keep_one

    loaded = settings.load(config)
    deadlines, now = _begun(Deadlines(loaded.state_dir), task, tenant), microseconds()
    if deadlines.find(task, tenant) is None and not _is_known(loaded, task, tenant):
        raise Refused(Reason.UNKNOWN_TARGET, f"nobody knows a task {task} {_of(tenant)}".rstrip())
    promise = deadlines.fail(task, operator, now, tenant)
    kept = await keep_one(deadlines, promise, lambda name: open_rollback(loaded, name), now)
    return kept or deadlines.find(task, tenant) or promise


def _begun(deadlines: Deadlines, task: str, tenant: str) -> Deadlines:
    """Them, unless the task was begun for a tenant, and none is named now. Raises `click.UsageError`."""
    found = deadlines.look().promises
    whose = {each.tenant for each in found if (each.task, each.stand) == (task, "open")}
    if not tenant and whose - {""}:
        names = " and ".join(sorted(whose - {""}))
        raise click.UsageError(f"task {visible(task)} was begun for {visible(names)}: say --tenant")
    return deadlines


def _of(tenant: str) -> str:
    return f"of {visible(tenant)}" if tenant else ""


def _is_known(loaded: settings.Settings, task: str, tenant: str) -> bool:
    """Does the journal tell of the task: of a call of its, of a grant?"""
    return bool(reader_of(loaded).calls(CallFilter(task=task, tenant=tenant or None), 1))


async def _cancel(
    config: Path, task: str, tenant: str, operator: str
) -> tuple[Report, dict[str, str]]:
    from gateway.app.undo import open_rollback
    from gateway.undo.keeping import take_back

    loaded = settings.load(config)
    deadlines = _begun(Deadlines(loaded.state_dir), task, tenant)
    with deadlines.held(task, tenant) as promise:
        if promise is None or promise.stand not in ("open", "asks"):
            raise Refused(Reason.DENIED_BY_RULE, f"task {task} is not open, or being undone now")
        async with open_rollback(loaded, operator) as rollback:
            report = await take_back(deadlines, promise, rollback)
            return report, rollback.names(report)


def _deadlines(config: Path) -> Deadlines:
    return Deadlines(settings.load(config).state_dir)


def _say(promise: Promise, as_json: bool) -> None:
    tell(as_json, as_plain(promise), [_line(promise)])


def _line(promise: Promise) -> str:
    why = f": {visible(promise.why)}" if promise.why else ""
    until = f" until {when(promise.deadline)}" if promise.stand == "open" else ""
    name = f"{visible(promise.task)} {_of(promise.tenant)}".rstrip()
    return f"{name}  {promise.stand}{until}{why}"
